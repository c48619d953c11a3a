"""The flow learned from a handful of samples."""
