"""What an experiment says: target, denoiser, training, sampling, simulation, generations; and the problem they make together."""
