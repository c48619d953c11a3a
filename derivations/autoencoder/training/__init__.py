"""One SGD step, its average over the data, and the equations of the order parameters that follow."""
