"""What is asked of a compiled kernel itself, with a few numbers: symmetries and degrees that hold for every denoiser that has them."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np

from ....common.numerics.quadrature.truncated import half_rules


class Asked(NamedTuple):
    """A generated module, and the shapes of what its ``moments`` take.

    Attributes
    ----------
    module : module
    encoders, decoders, vectors, parameters, names : int
    """

    module: ModuleType
    encoders: int
    decoders: int
    vectors: int
    parameters: int
    names: int

    @property
    def labels(self) -> int:
        """Length of a one-hot label."""
        return int(getattr(self.module, "LABELS", 0))


def parity(asked: Asked) -> np.ndarray:
    """(names,): whether every moment keeps (1) or changes (−1) its sign where the means of all fields do; () if one does neither."""
    rng, n, J = np.random.default_rng(5), asked.encoders, asked.decoders
    if not n:
        return np.zeros(0)
    z = rng.standard_normal((3, n))
    z, w = np.concatenate([z, -z]), np.tile(rng.uniform(0.1, 0.3, 3), 2)
    Q = rng.standard_normal((asked.vectors, asked.vectors))
    R = rng.standard_normal((1, J, J))
    of_fields = rng.standard_normal((1, n)), rng.standard_normal((1, n, n))
    of_residuals = rng.standard_normal((1, J)), rng.standard_normal((1, J, n))
    rest = [rng.uniform(0.2, 0.9, 1) for _ in range(6)]
    told, kappa = rng.uniform(0.2, 0.8, (1, asked.labels)), rng.uniform(0.3, 0.9, asked.parameters)
    found = np.zeros((2, 1, asked.names))
    for sign, out in zip((1.0, -1.0), found, strict=True):
        laws = sign * of_fields[0], of_fields[1], sign * of_residuals[0], of_residuals[1]
        asked.module.moments(z, w, *laws, R + R.swapaxes(1, 2), Q + Q.T, *rest, told, kappa, out)
    plus, minus = found[:, 0]
    allowed = 1e-11 * (1.0 + np.abs(plus))
    even, odd = np.abs(plus - minus) < allowed, np.abs(plus + minus) < allowed
    return np.where(even, 1.0, -1.0) if np.all(even | odd) else np.zeros(0)


def inner_nodes(asked: Asked, places: int) -> int:
    """Gauss nodes a side of its break that make the last of several split fields exact: fewest of 2, 3, 4; 3 where none does.

    On each side every moment is a polynomial along that axis, of degree 2 of a ramp.
    """
    rng, n, J = np.random.default_rng(6), asked.encoders, asked.decoders
    now, told = rng.uniform(0.2, 0.9, 6), rng.uniform(0.2, 0.8, (1, asked.labels))
    kappa, breaks = np.full(asked.parameters, 0.6), np.zeros(2 * places * n)
    asked.module.breaks(now[:5].copy(), told[0], kappa, breaks)
    root, first = np.tril(rng.uniform(0.4, 1.2, (1, n, n))), rng.standard_normal((1, n))
    first[:, -1] = 0.0
    # The field stands at its break where the last coordinate is 0.
    mean = breaks[None, :n] + 0.3 * rng.standard_normal((1, n))
    mean[0, -1] = breaks[n - 1] - root[0, -1] @ first[0]
    emean, eroot = rng.standard_normal((1, J)), rng.standard_normal((1, J, n))
    R, Q = rng.standard_normal((1, J, J)), rng.standard_normal((asked.vectors, asked.vectors))
    rest = [now[k : k + 1].copy() for k in range(6)]
    before: np.ndarray | None = None
    for count in (2, 3, 4, 5):
        half = half_rules(np.zeros(1), count)[0]
        z, w = np.tile(first, (2 * count, 1)), np.tile(half[1] / 2, 2)
        z[:, -1] = np.concatenate([half[0], -half[0]])
        out = np.zeros((1, asked.names))
        laws = mean, root, emean, eroot, R + R.swapaxes(1, 2)
        asked.module.moments(z, w, *laws, Q + Q.T, *rest, told, kappa, out)
        if before is not None and np.all(np.abs(out - before) < 1e-9 * (1.0 + np.abs(before))):
            return count - 1
        before = out
    return 3
