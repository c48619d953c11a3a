"""Controlling the training flow: exact gradients of what a training leads to, and protocols that are optimal for it."""
