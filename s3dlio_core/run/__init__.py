"""Many engine calls at once, and one wait for them."""
