"""Maximum likelihood of a whole flow, and divergences between flows by exact sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...common.input.checks import ComputationError, array, integer
from .flow import Affine, Coupling, Flow, flow_of


def _free(flow: Flow) -> list[tuple[int, str, np.ndarray]]:
    """What is fitted: all of W and b, and of G the entries that its split allows (layer, name, mask)."""
    found = []
    for k, entry in enumerate(flow.layers):
        if isinstance(entry, Affine):
            found += [(k, "W", np.ones(entry.W.shape, dtype=bool)), (k, "b", np.ones(entry.b.shape, dtype=bool))]
        else:
            writes = np.any(entry.G != 0, axis=(1, 2))
            reads = np.any(entry.G != 0, axis=(0, 1))
            found.append((k, "G", writes[:, None, None] & reads[None, :, None] & reads[None, None, :]))
    return found


def fit_flow(flow: Flow | Sequence[Any], data: np.ndarray, tolerance: float = 1e-8) -> Flow:
    """The most likely flow of this shape near a start, by L-BFGS with exact gradients.

    Parameters
    ----------
    flow : Flow or sequence of layers
        Start; the entries of G that are not in its split stay 0 (a split is the coordinates that G writes and reads).
    data : ndarray, shape (N, d)
    tolerance : float
        Largest entry of the gradient of the mean log-likelihood that counts as none.

    Raises
    ------
    ComputationError
        If the optimiser stops early (its last flow is ``partial``).

    Notes
    -----
    Parameters are not unique (z → Oz, …): compare actions, never parameters.
    """
    from scipy.optimize import minimize

    start = flow_of(flow)
    points = array("data", data, shape=(None, start.dimension))
    free = _free(start)

    def built(theta: np.ndarray) -> Flow:
        layers: list[Any] = list(start.layers)
        at = 0
        for k, name, mask in free:
            value = np.zeros(mask.shape)
            value[mask] = theta[at : at + mask.sum()]
            at += int(mask.sum())
            entry = layers[k]
            if isinstance(entry, Coupling):
                layers[k] = Coupling((value + value.transpose(0, 2, 1)) / 2)
            else:
                layers[k] = Affine(**{"W": entry.W, "b": entry.b, name: value})
        return Flow(tuple(layers))

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        candidate = built(theta)
        slopes = candidate.gradients(points)
        gradient = np.concatenate([slopes[k][name][mask] for k, name, mask in free])
        return -float(candidate.log_density(points).mean()), -gradient

    theta = np.concatenate([getattr(start.layers[k], name)[mask] for k, name, mask in free])
    options = {"maxiter": 20_000, "maxfun": 40_000, "gtol": tolerance, "ftol": 1e-16, "maxcor": 30}
    result = minimize(negative, theta, jac=True, method="L-BFGS-B", options=options)
    found = built(result.x)
    # A gradient at the level of rounding is what can be had.
    if np.abs(result.jac).max() > max(100 * tolerance, 1e-5):
        raise ComputationError(f"fit_flow: stopped with a gradient of {np.abs(result.jac).max():.2g}", found)
    return found


def sampled_kl(flow: Flow, other: Flow, count: int, seed: int = 0) -> tuple[float, float]:
    """KL(flow‖other) = ⟨S − S'⟩ over exact samples of ``flow``, and its standard error.

    For two couplings or more the tails of S' are polynomials of degree 8: means over data sets are then heavy-tailed; report
    medians.
    """
    n = integer("count", count, at_least=2)
    x = flow.sample(np.random.default_rng(seed), n)
    values = flow.log_density(x) - other.log_density(x)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
