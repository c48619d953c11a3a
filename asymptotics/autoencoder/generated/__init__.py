"""The law of what a trained network generates: coefficients of the sampler, flow, density, modes."""
