"""Tools that the rooms share (floor 1): they know no solvable system."""
