"""What a training is for, by name, each with its gradient."""
