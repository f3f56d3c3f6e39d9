"""Reading a checkpoint back, as far as it needs no framework: boxes, intervals."""
