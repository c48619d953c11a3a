"""Score smoothing: why samples of a regularised score interpolate between the training points instead of repeating them.

Chen 2025 (arXiv 2502.19499): the empirical score of a finite training set reproduces that set. Averaging it locally along the
data line, as a network with a bounded path norm does, turns part of the mass into an interpolation. For uniformly spaced
points the flow is exactly solvable: straight lines in the plane (x, √t).

What the result does and does not say:

- the interpolating part is a *rescaled window of* p_{t₀}, not a uniform law; it is close to uniform only for t₀ ≳ 0.3 Δ²;
- its mass tends to 2(n−1)/n Φ(−κ) as t₀ → 0, but then it sits within O(√t₀) of the training points, and it vanishes as
  t₀ → t_c = (Δ/κ)²; for two points it is below one half, since the outer half-Gaussians end in the atoms;
- a larger κ means less smoothing and more atoms;
- δ = κ√t is a *near*-minimiser of the path norm at given loss, not the minimiser, which also flattens the outer slopes;
- the gain over early stopping comes from the directions normal to the data: in one dimension early stopping is competitive;
- on a circle the samples lie on the inscribed polygon, and a window in polar angle is only metastable.
"""

from __future__ import annotations

import lazy_loader

# Names are loaded on first use (importing stays a matter of milliseconds); they and their types stand in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
