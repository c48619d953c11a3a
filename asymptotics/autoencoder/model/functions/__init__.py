"""Functions in an experiment file: of the time t and of the training time τ."""
