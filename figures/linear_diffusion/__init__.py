"""Linear diffusion models at finite N."""
