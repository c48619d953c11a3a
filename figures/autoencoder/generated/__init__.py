"""What the trained network generates: densities, other targets and samplers, conditions, regimes of the sampling."""
