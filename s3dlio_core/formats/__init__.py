"""Forms that objects have, as far as more than one reader must know them."""
