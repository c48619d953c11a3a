"""The sampling SDE of one trained network: its fields, their law on grids, whole paths."""
