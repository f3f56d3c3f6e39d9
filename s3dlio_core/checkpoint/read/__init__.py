"""Reading a checkpoint back without a framework: which bytes are needed, and what becomes of them."""
