"""The denoiser: its table, a network of one's own, the skip connection and the state at τ = 0."""
