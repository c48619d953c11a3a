"""Random-feature score models, derived: constants, resolvent of the features, losses, and the slips of published code."""
