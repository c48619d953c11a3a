"""Losses: of ridge, along gradient flow, in the kernel limit; the spectrum and the times that they are made of."""
