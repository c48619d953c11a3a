"""Exact generated densities by the change of variables along the flow (ε = 0): no kernel estimate.

In Lagrangian coordinates z₀ ~ N(0, Q) the projections are m(z₀) + Y with m the flow's image and Y Gaussian, so
p(x) = ∫ N(z₀; 0, Q) N(x − m(z₀); 0, S) dz₀, summed over cells of z₀ that resolve m (`asymptotics.autoencoder.generated.image`): this
asks nothing of m, which a coarse Euler scheme may fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.input.checks import InputError, array, fail

if TYPE_CHECKING:
    from .density import GeneratedDensity
    from .image_law import ImageLaw


def projected_density(law: GeneratedDensity, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Density of the projections at x (..., m), and its stated error there; see `GeneratedDensity.density`."""
    if law.noisy:
        fail("sampling.epsilon", law.sampling.epsilon, "0 for the exact density (samples are there for any epsilon)")
    if len(law.Q) > 2:
        fail("denoiser.hidden_units", len(law.Q), "at most 2 for the exact density")
    x = np.asarray(x, dtype=np.float64)
    m = len(law.span_covariance)
    if x.ndim == 0 or x.shape[-1] != m:
        fail("x", x.shape, f"an array of points with last axis {m} (the number of directions)")
    points = array("x", x.reshape(-1, m), ndim=2)
    _check_support(law.image.cell_laws[0])
    p, error = law.image.density(points)
    return p.reshape(x.shape[:-1]), error.reshape(x.shape[:-1])


#: A direction in which the law is narrower than this share of its extent has no width.
FLAT = 1e-7


def _check_support(law: ImageLaw) -> None:
    """Refuse laws that are confined to a set of lower dimension: they have no density."""
    values, axes = np.linalg.eigh(law.covariance)
    scale = max(float(np.max(law.high - law.low)), float(np.sqrt(max(values[-1], 0.0))))
    null = axes[:, np.sqrt(np.maximum(values, 0.0)) <= FLAT * scale]
    image = np.linalg.eigvalsh(null.T @ law.image_covariance() @ null) if null.size else np.ones(1)
    if null.shape[1] > law.n or image[0] <= (FLAT * scale) ** 2:
        free = max(null.shape[1] - law.n, int(np.sum(image <= (FLAT * scale) ** 2)))
        raise InputError(
            f"directions: there is no density: the {law.m} projections are confined to a set of {law.m - free} "
            f"dimension{'s' * (law.m - free != 1)} (the Gaussian part of the samples has no width in "
            f"{null.shape[1]} of them and {law.n} encoder{'s' * (law.n != 1)} do not fill these); samples, moments and "
            "quantiles are there"
        )
