"""The linear noise approximation at one state: laws of the fields, moments of increments, the Jacobian and the noise."""
