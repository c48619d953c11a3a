"""A narrow denoising auto-encoder trained by online SGD, its generated density and its collapse (Cui, Pehlevan, Lu 2025).

The submodules named here hold functions of their own name: ``fluctuations.fluctuations(problem)`` and so on.
"""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
