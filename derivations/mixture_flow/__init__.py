"""The binary mixture learned from a handful of samples: equations, results, slips of the sources."""
