"""Long work: ensembles, checkpoints, threads, progress."""
