"""Online SGD in R^d: what a training is told, its samples, compiled steps, and what it leaves behind."""
