"""What tests of checkpoints share, also with the programs they start."""
