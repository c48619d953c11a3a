"""When generated projections have an exact density (ε = 0), by the change of variables along the flow: no kernel estimate.

In Lagrangian coordinates z₀ ~ N(0, Q) the projections are m(z₀) + Y with m the flow's image and Y Gaussian, so
p(x) = ∫ N(z₀; 0, Q) N(x − m(z₀); 0, S) dz₀, summed over cells of z₀ that resolve m (`asymptotics.autoencoder.generated.image.image`): this
asks nothing of m, which a coarse Euler scheme may fold.
"""

from __future__ import annotations

import numpy as np

from ...common.input.checks import InputError
from .image.law import ImageLaw

#: A direction in which the law is narrower than this share of its extent has no width.
FLAT = 1e-7


def check_support(law: ImageLaw) -> None:
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
