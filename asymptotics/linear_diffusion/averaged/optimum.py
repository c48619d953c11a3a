"""The regularisation that is best on average, for both divergences between target and generated distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...common.output.records import Record
from ..resolvents.corrections import expansion
from ..resolvents.equivalents import critical_kappa, degrees_of_freedom


@dataclass(frozen=True)
class BestRegularisation(Record):
    """c that minimises KL(generated‖target) (``forward``) and KL(target‖generated) (``reverse``)."""

    forward: float | None
    reverse: float | None


def optimal_regularisation(eigenvalues: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    r"""The c that minimise the averaged KL(ρ_N‖ρ) and KL(ρ‖ρ_N).

    They solve Tr(Σ₀+c)⁻¹ = Tr Σ⁻¹ and Tr(Σ₀+c)⁻¹ = (1 + 1/N) Tr Σ(Σ₀+c)⁻². If Σ has no inverse the first is None (that
    divergence is infinite at every c); the second still minimises the cross-entropy −E_ρ ln ρ_N, unless there are so many
    samples, N > rank Σ, that this falls without bound as c → 0: then it is None too.
    """
    from scipy.optimize import brentq

    values = np.asarray(eigenvalues, dtype=float)
    n, rho = degrees_of_freedom(samples)
    scale = values.sum() / n
    if values.size == 1:
        return _optimal_in_one_dimension(values, samples)

    # Everything is explicit in κ; ln(κ − κ₀) is the variable, because c → 0 there.
    origin = critical_kappa(values, samples)

    def state(x: float) -> tuple[float, float, float]:
        """c, Tr(Σ₀+c)⁻¹ and Tr Σ(Σ₀+c)⁻² at κ = κ₀ + eˣ."""
        kappa = origin + np.exp(x)
        inverse = 1.0 / (values + kappa)
        # 1 − df₁(κ)/n without cancellation at κ₀ > 0: subtract 0 = 1 − df₁(κ₀)/n
        direct = (n - values.size + kappa * inverse.sum()) / n
        g = np.exp(x) * (values * inverse / (values + origin)).sum() / n if origin > 0 else direct
        spread = (values * inverse**2).sum()
        return rho * kappa * g, inverse.sum() / (rho * g), spread / (g + kappa * spread / n) / (rho * g) ** 2

    def forward(x: float) -> float:
        return float(np.log(state(x)[1] / inverse_trace))

    def reverse(x: float) -> float:
        _, first, second = state(x)
        return float(np.log((1 + 1 / samples) * second / first))

    low, high = np.log(scale) - 40.0, np.log(scale + values.max()) + 5.0
    found: list[float | None] = [None, None]
    with np.errstate(divide="ignore"):
        inverse_trace = float(np.sum(1.0 / values))
    for k, function in enumerate((forward, reverse)):
        if k == 0 and not np.isfinite(inverse_trace):
            continue
        top = high
        while function(top) > 0:
            top += 5.0
        if function(low) > 0:
            found[k] = float(state(brentq(function, low, top, xtol=1e-13, rtol=1e-14))[0])
    return found[0], found[1]


def _conditions(values: np.ndarray, samples: int, c: float, order: int) -> tuple[float, float, float]:
    """Tr(Σ₀+c)⁻¹ and (1 + 1/N) Tr Σ(Σ₀+c)⁻² up to that order, and their largest ratio of the last two orders."""
    terms = expansion(values, samples, c, order)
    first = [float(t.trace_inverse) for t in terms]
    second = [(1 + 1 / samples) * float(t.trace_sigma_inverse_squared) for t in terms]
    worst = max(abs(part[2]) / max(abs(part[1]), 1e-300) for part in (first, second)) if order == 2 else 0.0
    return sum(first), sum(second), worst


def _optimum(function: Callable[[float], float], near: float) -> float | None:
    """The root in c of a function that falls from positive to negative values, nearest to ``near``; None without one."""
    from scipy.optimize import brentq

    for factor in (1.5, 4.0, 16.0, 256.0, 65536.0):
        low, high = near / factor, near * factor
        if function(low) > 0 > function(high):
            return float(np.exp(brentq(lambda x: function(np.exp(x)), np.log(low), np.log(high), xtol=1e-12)))
    return None


def _optimal_in_one_dimension(values: np.ndarray, samples: int) -> tuple[float | None, float | None]:
    """As `optimal_regularisation`, from the exact averages."""
    size = float(values[0])
    if size == 0:
        return None, None

    def forward(c: float) -> float:
        return _conditions(values, samples, c, 0)[0] - 1.0 / size

    def reverse(c: float) -> float:
        first, second, _ = _conditions(values, samples, c, 0)
        return second / first - 1.0

    near = size / samples
    return _optimum(forward, near), _optimum(reverse, near)


def corrected_regularisation(
    eigenvalues: np.ndarray, samples: int
) -> tuple[tuple[float | None, float], tuple[float | None, float]]:
    """`optimal_regularisation` with the terms of O(1) and O(1/N), each with the shift that the O(1/N) terms make.

    None where the expansion in 1/N does not converge at the optimum.
    """
    values = np.asarray(eigenvalues, dtype=float)
    leading = optimal_regularisation(values, samples)
    if values.size == 1:
        return (leading[0], 0.0), (leading[1], 0.0)
    with np.errstate(divide="ignore"):
        inverse_trace = float(np.sum(1.0 / values))
    found: list[tuple[float | None, float]] = []
    for k, start in enumerate(leading):
        if start is None:
            found.append((None, 0.0))
            continue

        def condition(order: int, c: float, which: int = k) -> float:
            first, second, _ = _conditions(values, samples, c, order)
            return first / inverse_trace - 1.0 if which == 0 else second / first - 1.0

        before, after = (_optimum(partial(condition, order), start) for order in (1, 2))
        if before is None or after is None or _conditions(values, samples, after, 2)[2] > 1.0:
            found.append((None, 0.0))
        else:
            found.append((after, abs(after - before)))
    return found[0], found[1]
