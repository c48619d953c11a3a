"""What a trained network does to a sample: the sampler's update, its bifurcations, and generations of it."""
