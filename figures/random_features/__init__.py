"""Random-feature score models."""
