"""Loading a checkpoint: what the planner wants, as reads into the tensors."""
