"""The full process in R^d: training sets, the ridge problem on them, transport of points, what is measured."""
