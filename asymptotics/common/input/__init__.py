"""What comes in: checks at the door, settings, expressions, interpolants."""
