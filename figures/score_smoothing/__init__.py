"""Score smoothing."""
