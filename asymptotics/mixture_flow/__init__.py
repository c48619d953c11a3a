"""A binary Gaussian mixture learned from n = Θ(1) samples by a two-layer flow model (Cui et al., arXiv 2310.03575)."""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
