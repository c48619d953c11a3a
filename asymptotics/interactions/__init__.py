"""Interacting theories learned by invertible networks: polynomial actions, and how KL splits by order (Merger et al. 2023)."""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
