"""What a person declares: denoisers, their activations and conditions, as symbols that cannot meet each other."""
