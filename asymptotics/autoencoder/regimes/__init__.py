"""Dynamical regimes of a trained network: bifurcations of its sampling flow, its landscape, clones and U-turns."""
