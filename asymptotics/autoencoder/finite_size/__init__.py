"""Finite dimension: covariance and bias of order 1/d along the path, χ², the exact chain of the order parameters."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["chi_square", "fluctuations", "reduced_chain"])
