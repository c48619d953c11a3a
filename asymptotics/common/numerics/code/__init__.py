"""Compiled and generated code: njit with a cache that sees helpers, generated kernels, their derivatives."""
