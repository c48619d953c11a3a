"""The linear one-step denoiser and its transition from memorisation to generalisation (Halder 2024, arXiv 2411.17807)."""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
