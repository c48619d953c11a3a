"""The linear one-step denoiser and its transition from memorisation to generalisation (Halder 2024, arXiv 2411.17807).

The first version of the source (v1, November 2024) is followed: its model, definitions and figures. A later version (v3, August 2025) is
announced with an explicit Kullback–Leibler divergence at finite time and noise; its text was not available. Such a divergence is
`kl_generated_target`, at any T, λ, d and n > d + 2, in closed form but for ln|Σ_G|, and `ridge_divergence` with a ridge; the law of the
relative distance, of which v1 has simulations only, is `relative_law`.
"""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
