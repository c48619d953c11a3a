"""The full process in R^d: set-up, online SGD, generation, ensembles, measurements."""
