"""Linear denoisers at finite N: equations, averages over the data, modes."""
