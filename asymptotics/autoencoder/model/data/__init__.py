"""The target: a Gaussian mixture, given or measured on a user's samples."""
