"""The linear one-step denoiser: equations and slips of the sources."""
