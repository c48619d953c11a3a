"""The drift at vanishing overlap, in numbers: which power of Θ leads out of Θ = 0 along every reference direction.

From `derivations.autoencoder.dynamics.saddles`: dΘ/dτ = rate × Θ + Σ_{k ≥ 3} coefficient_k Θ^{k−1}, k the order in which the target's
cumulant along the direction first differs from that of the bulk (a Gaussian).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ....common.input.checks import InputError, integer, number
from ....common.numerics.quadrature.expectations import Rule
from ....common.output.results import Result
from ...model.data.target import GaussianMixture
from ...model.problem import Problem
from ..covered import live
from ..flow import Flow, rungs
from .spectrum import growth_rates

if TYPE_CHECKING:
    from derivations.autoencoder.engine import System

#: Orders looked at, and what counts as no difference of cumulants.
LARGEST_ORDER, SAME = 8, 1e-10
#: Nodes in every one of the 2 × vectors fields, by the number of vectors.
NODES = {1: 80, 2: 24}


@dataclass(frozen=True)
class Vanishing(Result):
    """How Θ of one unit leaves zero along every reference direction, the other units without overlap.

    Attributes
    ----------
    order : (K,)
        k, the first order in which the target's cumulant differs from the bulk's (0: none up to the largest looked at).
    power : (K,)
        Of the leading term beyond a bulk direction's rate: k − 1.
    cumulant : (K,)
        Δκ_k.
    coefficient : (K,)
        Of Θ^{k−1}.
    bulk_rate : (K,)
        Rate of a direction of the bulk with the same atom: what Θ grows at besides.
    Q, b : float
        The state: weights without overlap, Q times the identity.
    """

    order: np.ndarray
    power: np.ndarray
    cumulant: np.ndarray
    coefficient: np.ndarray
    bulk_rate: np.ndarray
    Q: float
    b: float

    COLUMNS = ("order", "power", "cumulant", "coefficient", "bulk_rate")

    def summary(self) -> str:
        lines = [f"drift at vanishing overlap (Q = {self.Q:g}, b = {self.b:z.6g}):"]
        for n, k in enumerate(self.order):
            rate = f"{self.bulk_rate[n]:+z.6g} Theta"
            term = (
                f"{self.coefficient[n]:+z.8g} Theta^{self.power[n]} (cumulant {k}: {self.cumulant[n]:+z.6g})"
                if k
                else "nothing more"
            )
            lines.append(f"  direction {n + 1}: dTheta/dtau = {rate} {term}")
        return "\n".join(lines)


def cumulants(weights: np.ndarray, means: np.ndarray, variances: np.ndarray, largest: int) -> np.ndarray:
    """κ_1 … κ_largest of a mixture of Gaussians in one dimension."""
    moments = np.zeros(largest + 1)
    of_gauss = np.zeros((largest + 1, len(weights)))
    of_gauss[0] = 1.0
    for n in range(1, largest + 1):
        of_gauss[n] = means * of_gauss[n - 1] + (variances * (n - 1) * of_gauss[n - 2] if n > 1 else 0.0)
    moments = of_gauss @ weights
    found = np.zeros(largest + 1)
    for n in range(1, largest + 1):
        found[n] = moments[n] - sum(math.comb(n - 1, j - 1) * found[j] * moments[n - j] for j in range(1, n))
    return found


@lru_cache(maxsize=64)
def _term(specification: object, order: int, build: Callable[[], System]) -> Callable[..., np.ndarray]:
    """−½ k/k! ∂ᵏℓ/∂λ₁ᵏ as a function of (λ₀, λ₁, Q, α, β, α̇, β̇, b, κ)."""
    import sympy

    from derivations.autoencoder.dynamics.saddles import along
    from derivations.autoencoder.network.denoiser import alpha, alpha_dot, beta, beta_dot
    from derivations.autoencoder.network.names import b

    system = build()
    arguments = [*system.channel_fields[0], *system.channel_fields[1], *sorted(set(system.gram), key=str)]
    arguments += [alpha, beta, alpha_dot, beta_dot, b, *system.denoiser.parameters]
    function: Callable[..., np.ndarray] = sympy.lambdify(
        arguments, along(system, order), modules=["numpy", "scipy"], cse=True
    )
    return function


def vanishing_overlap(
    problem: Problem, Q: float | None = None, b: float | None = None, largest: int = LARGEST_ORDER
) -> Vanishing:
    """Leading power and coefficient of the drift of the first vector's Θ at Θ = 0, for every reference direction.

    Parameters
    ----------
    problem : Problem
        One eigenvalue a cluster in the bulk; every reference direction in one atom; an activation without a kink.
    Q : float, optional
        All vectors have Q times the identity; default that of the start.
    b : float, optional
        Default b_∞.
    largest : int
        Orders looked at.

    Raises
    ------
    InputError
        If the bulk is no Gaussian, a direction lies in several atoms, or there are more than 2 vectors.
    """
    integer("largest", largest, at_least=1, at_most=12)
    target, denoiser = problem.target, problem.denoiser
    p = len(denoiser.vectors)
    if p not in NODES:
        raise InputError(f"denoiser: {p} weight vectors; the expansion at vanishing overlap is available for 1 and 2")
    if len(problem.training.nodes()[0]) > 1 and problem.training.average != "times":
        raise InputError("training.average: the expansion needs times averaged over one sample")
    problem = live(problem, "the expansion at vanishing overlap", ("ema",))
    flow = Flow(problem, rungs(problem)[0])
    start = flow.layout.unpack(flow.start)
    size = number("Q", float(start[1].sum(axis=0)[0, 0]) if Q is None else Q, at_least=0)
    skip = flow.settled_skip() if b is None else number("b", b)
    massive = target.masses > 0
    bulk = (target.cluster_eigenvalues[:, massive] @ target.masses[massive]) / target.masses[massive].sum()
    if np.ptp(bulk) > SAME or np.ptp(target.cluster_eigenvalues[:, massive]) > SAME:
        raise InputError(
            "target.eigenvalues: differ in the bulk, by cluster or atom; the expansion needs one Gaussian bulk"
        )
    K, spread = target.directions, float(bulk[0])
    rows = [_direction(problem, k, spread, largest) for k in range(K)]
    rate = _bulk_rate(problem, size, skip, spread)
    coefficient = np.zeros(K)
    for n, (order, cumulant) in enumerate(rows):
        if order:
            coefficient[n] = cumulant * _average(problem, order, size, skip, spread)
    orders = np.array([order for order, _ in rows], dtype=np.int64)
    return Vanishing(
        order=orders, power=np.maximum(orders - 1, 0), cumulant=np.array([c for _, c in rows]), coefficient=coefficient,
        bulk_rate=np.full(K, rate), Q=size, b=skip,
    )  # fmt: skip


def _direction(problem: Problem, k: int, spread: float, largest: int) -> tuple[int, float]:
    """(first order, difference) of the cumulants along reference direction k, of unit norm."""
    target = problem.target
    own = np.array([T[k, k] for T in target.reference_overlaps])
    if np.sum(own > SAME) != 1 and np.ptp(target.cluster_eigenvalues) > SAME:
        raise InputError(f"target.reference_overlaps: direction {k + 1} lies in several atoms; the expansion needs one")
    s = int(np.argmax(own))
    means = target.centroids @ target.gram[k]
    found = cumulants(target.weights, means, target.cluster_eigenvalues[:, s] * own.sum(), largest)
    found[2] -= spread
    scale = max(1.0, float(np.max(np.abs(means), initial=0.0)))
    for order in range(1, largest + 1):
        if abs(found[order]) > SAME * scale**order:
            return order, float(found[order])
    return 0, 0.0


def _law(problem: Problem, size: float, spread: float) -> tuple[np.ndarray, np.ndarray, int]:
    p = len(problem.denoiser.vectors)
    z, w = Rule("hermite", NODES[p]).points(2 * p)
    return np.concatenate([z[:, :p] * np.sqrt(size), z[:, p:] * np.sqrt(size * spread)], axis=1), w, p


def _average(problem: Problem, order: int, size: float, skip: float, spread: float) -> float:
    """E_t E₀[−½ k/k! ∂ᵏℓ/∂λ₁ᵏ]."""
    fields, w, p = _law(problem, size, spread)
    denoiser, s = problem.denoiser, problem.interpolant
    try:
        function = _term(denoiser.specification(), order, denoiser.derived)
    except ValueError as error:
        raise InputError(f"denoiser.activation: {error}") from None
    gram = [size if a == c else 0.0 for a in range(p) for c in range(a, p)]
    total = 0.0
    for t, weight in zip(*problem.training.nodes(), strict=True):
        schedule = [float(f(t)) for f in (s.alpha, s.beta, s.alpha_dot, s.beta_dot)]
        values = function(*fields.T, *gram, *schedule, skip, *denoiser.parameters)
        total += float(weight) * float(np.broadcast_to(values, w.shape) @ w)
    return total


def _bulk_rate(problem: Problem, size: float, skip: float, spread: float) -> float:
    """ς H₁ + H₀ + P − λ/2 of the first vector, ς that of the bulk."""
    # A direction of the bulk is one whose centroids and eigenvalue are those of the bulk: the same problem without centroids.
    plain = GaussianMixture.from_table(
        {"weights": [1.0], "centroids": [[0.0]], "eigenvalues": [[spread]], "masses": [1.0]}
    )
    p = len(problem.denoiser.vectors)
    init = problem.denoiser.init.replace(
        centroids=0.0, random=float(np.sqrt(size)), Theta=None, Q=None, realisation=None
    )
    bare = replace(problem, target=plain, denoiser=problem.denoiser.replace(init=init))
    found = growth_rates(bare, np.zeros((p, 1)), size * np.eye(p), skip)
    values = found.eigenvalues.real
    layout = Flow(bare, rungs(bare)[0]).layout
    weight = [np.linalg.norm(layout.unpack(v.real)[0]) for v in found.vectors.T]
    return float(values[int(np.argmax(weight))])
