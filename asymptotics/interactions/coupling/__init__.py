"""One quadratic coupling as a statistical model: its KL in closed form, averages over data, ridge, gradient flow."""
