"""The diffusion model of one data set: schedule, sampler, relaxation of its modes, and everything of one trained model."""
