"""Points at which the training flow rests: how they are found, what grows there, what kind they are."""
