"""Functions of training time: Runge–Kutta coefficients, linear flows, panels, splines."""
