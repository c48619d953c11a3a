"""What networks learn: the least path norm at a given loss, and a trained network."""
