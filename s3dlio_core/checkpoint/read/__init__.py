"""Reading a checkpoint back without a framework: which bytes are needed, and what is done with them when they arrive."""
