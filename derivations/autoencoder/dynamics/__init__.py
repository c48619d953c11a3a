"""What the equations say of a training: growth near W = 0, saddles, fluctuations at finite d."""
