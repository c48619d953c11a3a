"""How the error depends on the number of samples and on the ridge: expansion in 1/n and the optimal ridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array, choice, fail, integer, number
from ..settings import MixtureFlow
from .order_parameters import final_state

QUANTITIES = ("mean_error", "mw2_squared")


def curve(
    samples: ArrayLike,
    cluster_std: float,
    ridge: float,
    centroid_norm: float = 1.0,
    noises: int = 1,
    *,
    fresh_noise: bool = False,
    skip: bool = True,
) -> dict[str, np.ndarray]:
    """The generated density and all baselines against the number of samples.

    Parameters
    ----------
    samples : array_like of int
        n ≥ 2.
    cluster_std, ridge, centroid_norm, noises, fresh_noise, skip
        As in `asymptotics.mixture_flow.settings.MixtureFlow`.

    Returns
    -------
    dict of ndarray
        ``samples``, everything of `FinalState`, and ``asymptote`` (the leading term in 1/n of
        ``mean_error``, see `asymptote`); one value an n.

    Raises
    ------
    InputError
        If an argument is outside its range.
    """
    n = array("samples", samples)
    if n.size == 0 or np.any(n < 2) or np.any(n != np.round(n)):
        fail("samples", samples, "integers >= 2")
    flow = MixtureFlow(2, cluster_std, ridge, centroid_norm, noises, fresh_noise, skip)
    values = final_state(**{**flow.to_table(), "samples": n})
    leading = asymptote(n, flow.cluster_std, flow.noises, fresh_noise=fresh_noise, skip=skip)
    return {"samples": n, **vars(values), "asymptote": leading}


def error_expansion(
    cluster_std: float,
    ridge: float,
    centroid_norm: float = 1.0,
    order: int = 3,
    noises: int = 1,
    *,
    fresh_noise: bool = False,
    skip: bool = True,
) -> np.ndarray:
    r"""Coefficients of ‖μ̂ − μ‖²/d in powers of 1/n.

    .. math:: \frac{\|\hat\mu-\mu\|^2}{d} = \sum_{k\ge1}\frac{c_k}{n^k},\qquad c_1 = \sigma^2(1 + 1/K)

    (σ² where the noises leave no trace: fresh ones, or no skip connection), by exact division of the two power series in
    x = 1/n of the closed form.

    Parameters
    ----------
    cluster_std, ridge, centroid_norm : float
        σ, λ, m.
    order : int
        Highest power of 1/n.
    noises : int
        K.
    fresh_noise, skip : bool
        As in `asymptotics.mixture_flow.settings.MixtureFlow`.

    Returns
    -------
    ndarray, shape (order,)
        c_1, …, c_order.

    Raises
    ------
    InputError
        If an argument is outside its range.
    """
    sigma, lam = number("cluster_std", cluster_std, at_least=0), number("ridge", ridge, at_least=0)
    m, order = number("centroid_norm", centroid_norm, above=0), integer("order", order, at_least=1)
    k = integer("noises", noises, at_least=1)
    # σ_g² = (Kσ² + [λm² + (λ − K)σ²] x) / (K + (λ − 1) x), and the error is
    # ([λ²m²] x² + [K²σ²] x + K σ_g² x) / (K + λ x)²; the last term is the noises'.
    variance = _divide([k * sigma**2, lam * m**2 + (lam - k) * sigma**2], [k, lam - 1.0], order + 1)
    numerator = np.zeros(order + 1)
    numerator[1] += k**2 * sigma**2
    if order >= 2:
        numerator[2] += lam**2 * m**2
    if learns_noise(fresh_noise, skip):
        numerator[1:] += k * variance[:order]
    return _divide(numerator, [float(k**2), 2.0 * k * lam, lam**2], order + 1)[1:]


def _divide(
    numerator: np.ndarray | Sequence[float], denominator: np.ndarray | Sequence[float], terms: int
) -> np.ndarray:
    """First ``terms`` coefficients of the quotient of two power series (lowest power first)."""
    top = np.zeros(terms)
    top[: min(terms, len(numerator))] = numerator[:terms]
    bottom = np.zeros(terms)
    bottom[: min(terms, len(denominator))] = denominator[:terms]
    quotient = np.zeros(terms)
    for i in range(terms):
        quotient[i] = (top[i] - quotient[:i] @ bottom[i:0:-1]) / bottom[0]
    return quotient


def optimal_ridge(
    samples: int,
    cluster_std: float,
    centroid_norm: float = 1.0,
    noises: int = 1,
    quantity: str = "mean_error",
    *,
    fresh_noise: bool = False,
    skip: bool = True,
) -> tuple[float, float]:
    r"""The ridge λ ≥ 0 that minimises an error, and the error there.

    For ``mean_error`` and K = 1, with u = λ + n − 1, an interior optimum solves the cubic

    .. math:: 2\lambda m^2u^2 + (n-1)m^2(n+\lambda) - 2\lambda m^2u - 4\sigma^2u^2 = 0 ;

    λ = 0 is a candidate too (the error falls with λ at λ = 0 only if 4σ²(n−1) > n m²). Where the noises leave no trace
    (fresh ones, or no skip connection) it is λ = Kσ²/m², which gives the Bayes-optimal error. Otherwise stationary points
    are bracketed on a grid of λ and refined by Brent's method.

    Parameters
    ----------
    samples, cluster_std, centroid_norm, noises
        n, σ, m, K.
    quantity : str
        ``"mean_error"`` or ``"mw2_squared"``.
    fresh_noise, skip : bool
        As in `asymptotics.mixture_flow.settings.MixtureFlow`.

    Returns
    -------
    (ridge, value) : tuple of float

    Raises
    ------
    InputError
        If an argument is outside its range.
    """
    n, sigma = integer("samples", samples, at_least=2), number("cluster_std", cluster_std, at_least=0)
    m, k = number("centroid_norm", centroid_norm, above=0), integer("noises", noises, at_least=1)
    quantity = choice("quantity", quantity, QUANTITIES)

    def value(ridge: ArrayLike) -> np.ndarray:
        state = final_state(
            samples=n, cluster_std=sigma, ridge=ridge, centroid_norm=m, noises=k, fresh_noise=fresh_noise, skip=skip
        )
        return np.asarray(getattr(state, quantity))

    candidates = np.array([0.0])
    if not learns_noise(fresh_noise, skip) and (quantity == "mean_error" or not skip):
        candidates = np.append(candidates, k * (sigma / m) ** 2)
    elif quantity == "mean_error" and k == 1:
        # The cubic in u, lowest power first.
        ratio = (sigma / m) ** 2
        roots = np.roots([2.0, -2.0 * n - 4 * ratio, 3.0 * (n - 1), float(n - 1)])
        real = roots[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots))].real - (n - 1)
        candidates = np.append(candidates, real[real > 0])
    else:
        candidates = np.append(candidates, _stationary(value, n * k, sigma, m))
    best = candidates[np.argmin(value(candidates))]
    return float(best), float(value(best))


def _stationary(value: Callable[[np.ndarray], np.ndarray], total: int, sigma: float, m: float) -> np.ndarray:
    """Local minima of ``value`` over λ > 0, refined to rounding of its square root."""
    from scipy.optimize import minimize_scalar

    # Beyond λ ~ N and λ ~ σ²/m² nothing but the approach to the error of μ̂ = 0 happens.
    grid = np.geomspace(1e-6, 1e3 * (total + (sigma / m) ** 2), 2001)
    values = value(grid)
    low = np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])) + 1
    found = [
        minimize_scalar(
            lambda x: float(value(x)), bounds=(grid[i - 1], grid[i + 1]), method="bounded", options={"xatol": 1e-10}
        ).x
        for i in low
    ]
    return np.array(found, dtype=np.float64)


def learns_noise(fresh_noise: bool, skip: bool) -> bool:
    """Whether the training noises shift the generated clusters: they are fixed, and the skip connection carries them."""
    return skip and not fresh_noise


def asymptote(
    samples: ArrayLike, cluster_std: float, noises: int = 1, *, fresh_noise: bool = False, skip: bool = True
) -> np.ndarray:
    r"""The leading term in 1/n of ‖μ̂ − μ‖²/d, for every ridge.

    .. math:: \frac{\sigma^2}{n}\Big(1 + \frac1K\Big) ,

    σ²/n from the samples and σ²/(nK) from the K fixed noises of each; σ²/n alone with fresh noises or without the skip
    connection, which is the Bayes-optimal rate. With the skip connection MW₂²/d has the same leading term; without it
    MW₂²/d tends to σ². Derived in `derivations.mixture_flow.results.leading_error`.

    Parameters
    ----------
    samples : array_like
        n.
    cluster_std, noises, fresh_noise, skip
        As in `asymptotics.mixture_flow.settings.MixtureFlow`.

    Returns
    -------
    ndarray of the shape of ``samples``.
    """
    constant = cluster_std**2 * (1 + 1 / noises if learns_noise(fresh_noise, skip) else 1)
    return constant / np.asarray(samples, dtype=np.float64)
