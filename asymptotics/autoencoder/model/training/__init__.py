"""Online training: its table, the average over times and the optimiser."""
