"""Networks trained on what networks generate: the chain of generations, and the map that it iterates."""
