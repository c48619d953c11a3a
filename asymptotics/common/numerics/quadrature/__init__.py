"""Rules for averages: Gaussian expectations on lattices, tensor grids, stretched and truncated axes; contours."""
