"""Sources that are written from a derivation, a module for each denoiser: moments, closed forms, flow, increments, adjoints."""
