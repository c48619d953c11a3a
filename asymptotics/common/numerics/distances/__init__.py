"""How far laws and samples are from one another."""
