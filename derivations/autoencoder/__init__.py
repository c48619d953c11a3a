"""The auto-encoder: from the update rule to order-parameter equations, generated density, fluctuations, collapse."""
