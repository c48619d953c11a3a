"""The linear one-step denoiser."""
