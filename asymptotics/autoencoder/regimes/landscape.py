"""The landscape that a trained network's samples end in: stable fixed points of the flow at t → 1, their basins, what flows there.

For α = 1 − t, ε = 0 the flow is dZ/ds = (b − 1)Z + Cφ(Z), s = −ln(1 − t), and for any schedule and ε it comes to this as t → 1. Where
Q⁺Cφ has a symmetric Jacobian it is the gradient flow, in the metric Q, of

    V(z) = (1 − b)/2 zᵀQ⁺z − ∫₀¹ zᵀQ⁺Cφ(λz) dλ        (tied tanh: − Σ_γ ln cosh z_γ, a Hopfield energy).

A network that depends on the time comes to rest nowhere; its landscape is that of the learned score at the sampler's stop (minima:
modes of the learned density). The weight of a basin is the probability that a generated sample's fields end in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...common.numerics.quadrature.expectations import Rule
from ...common.output.records import Entries
from .sde.fields import Fields
from .sde.kolmogorov import law_at_stop
from .sde.paths import Stepping

#: Points of z₀ that are carried, of one field (a grid: weights to 1e-7) and of more (Sobol').
LINE, POINTS = 20_001, 2**14
#: Steps to rest, and what counts as rest and as one place, in units of the fields' size.
STEPS, REST, SAME = 4000, 1e-7, 1e-3
#: Fields beyond this many times their size have no place to rest.
LOST = 1e3


@dataclass(frozen=True)
class Mode(Entries):
    """A minimum of the landscape.

    Attributes
    ----------
    place : list of float
        Its K coordinates.
    cluster : int
        Of the nearest centroid.
    weight : float
        Of its basin.
    """

    place: list[float]
    cluster: int
    weight: float


@dataclass(frozen=True)
class Landscape:
    """Stable fixed points, heaviest first.

    Attributes
    ----------
    fields : (modes, n)
        z* of each.
    places : (modes, K)
        Their projections u_k·X.
    weights : (modes,)
        Probability that a generated sample ends in the basin; they sum to 1 − ``lost``.
    clusters : (modes,)
        Index of the nearest centroid.
    lost : float
        Probability of running away.
    gradient : bool
        Whether there is a potential.
    """

    fields: np.ndarray
    places: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray
    lost: float
    gradient: bool

    def modes(self) -> list[Mode]:
        """Its minima, one by one."""
        found = zip(self.places.tolist(), self.clusters.tolist(), self.weights.tolist(), strict=True)
        return [Mode(*one) for one in found]


def nearest(places: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Index of the nearest centroid of every place (m, K)."""
    return np.asarray(np.linalg.norm(places[:, None] - centroids[None], axis=2).argmin(axis=1))


def potential(fields: Fields, z: np.ndarray) -> np.ndarray:
    """V at fields z (points, n), by Gauss and Legendre's rule along the line from 0."""
    x, w = np.polynomial.legendre.leggauss(64)
    t = fields.end
    metric = fields.inverse_root @ fields.inverse_root
    pulls = sum(weight / 2 * fields.phi((1 + node) / 2 * z, t) @ fields.C.T for node, weight in zip(x, w, strict=True))
    pull, sign = fields.end_pull
    quadratic = -pull / 2 * np.einsum("pa,ab,pb->p", z, metric, z)
    return np.asarray(quadratic - sign * np.einsum("pa,ab,pb->p", z, metric, pulls))


def frozen(fields: Fields, z: np.ndarray) -> np.ndarray:
    """The landscape's pull at fields z, (points, n): (b − 1)z + Cφ(z) as t → 1 (`Fields.end_pull`)."""
    pull, sign = fields.end_pull
    return np.asarray(pull * z + sign * fields.phi(z, fields.end) @ fields.C.T)


def _slope(fields: Fields, z: np.ndarray) -> np.ndarray:
    pull, sign = fields.end_pull
    return np.asarray(pull * np.eye(fields.n) + sign * fields.response(z, fields.end))


def landscape(fields: Fields, seed: int = 0) -> Landscape:
    """All stable fixed points that generated samples reach, and the weights of their basins."""
    places, weights, lost = _line(fields) if fields.n == 1 else _space(fields, seed)
    order = np.argsort(-weights, kind="stable")
    places, weights = places[order], weights[order]
    projected = fields.place(places)
    clusters = (
        nearest(projected, fields.problem.target.projected_centroids()) if len(places) else np.zeros(0, dtype=int)
    )
    return Landscape(places, projected, weights, clusters, lost, fields.gradient())


def _line(fields: Fields) -> tuple[np.ndarray, np.ndarray, float]:
    """One field: zeros of the drift by bisection; basins are intervals."""
    from scipy.optimize import brentq

    size = float(np.sqrt(fields.Q[0, 0]))
    y = np.linspace(-9.0, 9.0, LINE)
    if not fields.noisy:
        ends = _carried(fields, y[:, None] * size, 0)[:, 0]
        reach = float(np.max(np.abs(ends[np.abs(y) < 7])))
    else:
        law = law_at_stop(fields)
        reach = float(np.max(np.abs(law.z)))
    # Zeros beyond every sample matter where samples still flow to them.
    grid = np.linspace(-1.0, 1.0, LINE) * 4 * max(reach, size, _bound(fields))

    def drift(z: float) -> float:
        return float(frozen(fields, np.array([[z]]))[0, 0])

    values = frozen(fields, grid[:, None])[:, 0]
    values[np.abs(values) < 1e-14 * np.max(np.abs(values))] = 0.0
    zeros = list(grid[values == 0.0])
    zeros += [
        float(brentq(drift, grid[k], grid[k + 1], xtol=1e-13)) for k in np.flatnonzero(values[:-1] * values[1:] < 0)
    ]
    zeros.sort()
    after = [float(np.sign(drift(z + 1e-6 * size))) for z in zeros]
    before = [float(np.sign(drift(z - 1e-6 * size))) for z in zeros]
    stable = [z for z, s, e in zip(zeros, before, after, strict=True) if s > 0 > e]
    edges = [z for z, s, e in zip(zeros, before, after, strict=True) if not (s > 0 > e)]
    bounds = [-np.inf, *edges, np.inf]
    places, weights = [], []
    for low, high in pairwise(bounds):
        inside = [z for z in stable if low < z < high]
        if not inside:
            continue
        places.append(inside[0])
        weights.append(law.between(low, high) if fields.noisy else _mass(y, ends, low, high))
    return np.array(places).reshape(-1, 1), np.array(weights), max(0.0, 1.0 - float(np.sum(weights)))


def _carried(fields: Fields, z: np.ndarray, seed: int) -> np.ndarray:
    """Fields (points, n) at the sampler's stop of those at its start."""
    stepping = Stepping.of(fields, np.zeros(0))
    state = stepping.advance(stepping.begin(z), 0, stepping.count, np.random.default_rng(seed))
    return np.array(state[:, : fields.n])


def _bound(fields: Fields) -> float:
    """How far the drift can push: beyond |Cφ|/(1 − b) it points inward, where φ is bounded."""
    t = fields.end
    pull = -fields.end_pull[0]
    far = np.abs(fields.phi(np.array([[-50.0], [50.0]]), t) @ fields.C.T).max()
    return float(min(far / pull, 1e3 * np.sqrt(fields.Q[0, 0]))) if pull > 0 else 0.0


def _mass(y: np.ndarray, ends: np.ndarray, low: float, high: float) -> float:
    """Standard Gaussian mass of the y whose image lies in (low, high), the image being linear between grid points."""
    from scipy.special import ndtr as below

    total = 0.0
    for bound, sign in ((high, 1.0), (low, -1.0)):
        if np.isinf(bound):
            total += sign * (1.0 if bound > 0 else 0.0)
            continue
        inside = ends < bound
        change = np.flatnonzero(inside[:-1] != inside[1:])
        share = (bound - ends[change]) / (ends[change + 1] - ends[change])
        at = y[change] + share * (y[change + 1] - y[change])
        # Mass of {ends < bound}: up to each crossing downward of the indicator, from each crossing upward.
        mass = float(np.sum(np.where(inside[change], below(at), -below(at)))) + (1.0 if inside[-1] else 0.0)
        total += sign * mass
    return total


def _space(fields: Fields, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Several fields: points of the generated law, followed to rest."""
    y, w = Rule("sobol", POINTS, seed).points(fields.n)
    z = _carried(fields, y @ fields.root, seed)
    size = float(np.sqrt(np.trace(fields.Q)))
    rate = 0.5 / max(float(np.max(np.abs(np.linalg.eigvals(_slope(fields, np.zeros((1, fields.n)))[0])))), 1e-12)
    label = np.full(len(z), -1)
    found: list[np.ndarray] = []
    for step in range(STEPS):
        open_ = np.flatnonzero(label == -1)
        if not len(open_):
            break
        here = z[open_]
        pull = frozen(fields, here)
        middle = frozen(fields, here + rate / 2 * pull)
        z[open_] = here + rate * middle
        if step % 20 == 19:
            gone = np.max(np.abs(z[open_]), axis=1) > LOST * size
            label[open_[gone]] = -2
            for k, place in enumerate(found):
                _gather(z, label, place, k, SAME * size)
            still = open_[np.max(np.abs(rate * middle), axis=1) < REST * size]
            for index in still:
                if label[index] == -1:
                    _settle(fields, z, label, int(index), found, size)
    for index in np.flatnonzero(label == -1):
        if found:
            label[index] = int(np.argmin([np.linalg.norm(z[index] - place) for place in found]))
    weights = np.array([float(np.sum(w[label == k])) for k in range(len(found))])
    kept = weights > 0
    return np.array(found).reshape(-1, fields.n)[kept], weights[kept], float(np.sum(w[label < 0]))


def _gather(z: np.ndarray, label: np.ndarray, place: np.ndarray, name: int, reach: float) -> None:
    """Name the waiting points that are close to a place: they are on their way into it."""
    waiting = np.flatnonzero(label == -1)
    label[waiting[np.linalg.norm(z[waiting] - place, axis=1) < reach]] = name


def _settle(fields: Fields, z: np.ndarray, label: np.ndarray, index: int, found: list[np.ndarray], size: float) -> None:
    """A point at rest: its stable fixed point is a new place; from a saddle it is nudged away."""
    place = z[index]
    for _ in range(30):
        step = np.linalg.lstsq(_slope(fields, place[None])[0], frozen(fields, place[None])[0], rcond=None)[0]
        place = place - step
        if np.max(np.abs(step)) < 1e-12 * size:
            break
    # Null directions of Q, in which nothing moves, have no say.
    whitened = fields.inverse_root @ _slope(fields, place[None])[0] @ fields.root
    if np.max(np.linalg.eigvals(whitened).real) > 1e-9 or np.linalg.norm(place - z[index]) > 0.1 * size:
        z[index] += SAME * size * np.random.default_rng(index).standard_normal(fields.n) @ fields.root / size
        return
    known = [k for k, other in enumerate(found) if np.linalg.norm(other - place) < SAME * size]
    if not known:
        found.append(place)
    label[index] = known[0] if known else len(found) - 1
    _gather(z, label, place, int(label[index]), SAME * size)
