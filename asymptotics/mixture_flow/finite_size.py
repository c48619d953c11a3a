r"""What the sampler does at finite d, on average over training sets: exact draws of the few overlaps that it depends on.

In the frame of the labels the process needs of a training set the vectors X̄ and ξ and the numbers C₀₀, C₀₁, C₁₁ (`Ridge`). All
are Gaussian vectors and sums of independent squares, so that they can be drawn without drawing vectors of length d:

.. math:: \bar X = n\mu + \sigma\sqrt n\,g_2,\quad \xi = \sqrt N g_1,\quad
   \sum\|x_1\|^2 = \|\bar X\|^2/n + \sigma^2 R,\quad \sum x_0\cdot x_1 = \xi\cdot\bar X/n + \sqrt{KR}\,\sigma a,\quad
   \sum\|x_0\|^2 = \|g_1\|^2 + a^2 + \chi^2_{d(N-1)-1}

with R = χ²_{d(n−1)} and a ~ N(0, 1). Given them the mean over generated points is in closed form: s selects a half-space of
X₀, E[s X₀] = √(2/π) u/‖u‖ with u the first direction. The averages so obtained contain every order in 1/d. Neglected are signs that
change on the way (exponentially rare), wrong labels, and what the statements of the functions below name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .equations.schemes import Grid
from .settings import MixtureFlow

#: Draws of the overlaps: their averages are then known to a tenth of the standard error of up to this over 100 runs.
DRAWS = 8192
_HALF = np.sqrt(2 / np.pi)


@dataclass(frozen=True)
class Vectors:
    """Vectors in an orthogonal frame: μ, what of X̄ is normal to it, what of the first ξ is normal to both, and the length of
    the rest (of later ξ, in random directions); each of shape (draws,)."""

    parts: np.ndarray

    def __mul__(self, factor: float | np.ndarray) -> Vectors:
        return Vectors(self.parts * factor)

    def __add__(self, other: Vectors) -> Vectors:
        return Vectors(self.parts + other.parts)

    def dot(self, other: Vectors) -> np.ndarray:
        """Scalar product (of vectors with the same rest, or of which one has none)."""
        return np.asarray(np.sum(self.parts * other.parts, axis=0))

    def square(self) -> np.ndarray:
        """Squared length."""
        return self.dot(self)

    @property
    def first(self) -> np.ndarray:
        """Component along μ."""
        return np.asarray(self.parts[0])

    def out_of_plane(self) -> Vectors:
        """What is normal to μ and X̄."""
        return Vectors(self.parts * np.array([0.0, 0.0, 1.0, 1.0])[:, None])


class Draws:
    """Training sets of an experiment, drawn as overlaps.

    Parameters
    ----------
    flow : MixtureFlow
    dimension, count : int
        d, and the number of training sets.
    seed : int
    """

    def __init__(self, flow: MixtureFlow, dimension: int, count: int = DRAWS, seed: int = 0) -> None:
        self.flow, self.d, self.count = flow, dimension, count
        self.rng = np.random.default_rng(seed)
        n, sigma, d = flow.samples, flow.cluster_std, dimension
        self.total, self.scale = n * flow.noises, n * flow.noises + flow.ridge
        self.length = flow.centroid_norm * np.sqrt(d)
        along = n * self.length + sigma * np.sqrt(n) * self.rng.standard_normal(count)
        across = sigma * np.sqrt(n * self.rng.chisquare(d - 1, count))
        self.data = Vectors(np.stack([along, across, np.zeros(count), np.zeros(count)]))
        self.rest = self.rng.chisquare(d * (n - 1), count)
        self.square = self.data.square() / n + sigma**2 * self.rest

    def noise(self, first: bool = True) -> tuple[Vectors, np.ndarray, np.ndarray, np.ndarray]:
        """ξ and C₀₀, C₀₁, C₁₁ of one set of noises; the first one gives the frame its third axis."""
        flow, d, rng = self.flow, self.d, self.rng
        n, k = flow.samples, flow.noises
        a, b, own, c = rng.standard_normal((4, self.count))
        if first:
            normal = [np.sqrt(rng.chisquare(d - 2, self.count)), np.zeros(self.count)]
        else:
            normal = [c, np.sqrt(rng.chisquare(d - 3, self.count))]
        xi = Vectors(np.stack([a, b, *normal])) * np.sqrt(self.total)
        product = xi.dot(self.data)
        norms = xi.square() / self.total + own**2 + rng.chisquare(d * (self.total - 1) - 1, self.count)
        c00 = norms - xi.square() / self.scale
        c01 = product * (1 / n - k / self.scale) + np.sqrt(k * self.rest) * flow.cluster_std * own
        c11 = k * self.square - k**2 * self.data.square() / self.scale
        if flow.cluster_std == 0 and flow.ridge == 0:
            c01, c11 = np.zeros_like(c01), np.zeros_like(c11)
        return xi, c00, c01, np.maximum(c11, 0.0)


def _drift(flow: MixtureFlow, scale: float, c: Sequence[np.ndarray], at: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Rate and the gains of K X̄ and ξ, and their ratio to the direction; as `Ridge.drift`."""
    alpha, beta, alpha_dot, beta_dot = at
    c00, c01, c11 = c
    if not flow.skip:
        pull = (beta_dot - alpha_dot * beta / alpha) / scale
        return np.full_like(c00, alpha_dot / alpha), np.full_like(c00, pull), np.zeros_like(c00)
    d = alpha**2 * c00 + 2 * alpha * beta * c01 + beta**2 * c11
    rate = alpha * alpha_dot * c00 + (alpha * beta_dot + alpha_dot * beta) * c01 + beta * beta_dot * c11
    gain = (alpha * beta_dot - alpha_dot * beta) / (scale * d)
    return rate / d, gain * (alpha * c00 + beta * c01), -gain * (alpha * c01 + beta * c11)


def averages(flow: MixtureFlow, grid: Grid, alpha: np.ndarray, beta: np.ndarray, dimension: int,
             count: int = DRAWS, seed: int = 0) -> dict[str, np.ndarray]:  # fmt: skip
    """Expectation of everything that a run measures, draw by draw: (draws, T) along the grid's times, (draws,) at the end.

    Parameters
    ----------
    flow : MixtureFlow
    grid : Grid
        Of the sampler; its last time is 1.
    alpha, beta : ndarray, shape (T − 1,)
        The interpolant at all times but the last.
    dimension, count, seed : int
        d, number of draws and their seed.

    Notes
    -----
    The cosine of a point is expanded to second order in the fluctuations of its norm and overlap (next order: d^{-3/2}). With
    fresh noises M and Q_η leave out what the first direction's own noises have along μ and η (O(d^{-3/2}) on average).
    """
    draws = Draws(flow, dimension, count, seed)
    xi, *c = draws.noise()
    k, d, n = flow.noises, dimension, flow.samples
    # State: X = p X₀ + s (A K X̄ + noise), the noise B ξ, or with fresh noises a vector that is added to.
    y = np.repeat([[1.0], [0.0], [0.0]], count, axis=1)
    absorbed = xi * 0.0
    first: Any = None
    by_step: dict[int, tuple[np.ndarray, Vectors]] = {}
    for step in range(len(grid.lengths) + 1):
        by_step[step] = y, absorbed
        if step == len(grid.lengths):
            break
        here: Sequence[Any] = draws.noise(first=first is None) if flow.fresh_noise else (xi, *c)
        schedule = (grid.alpha, grid.beta, grid.alpha_dot, grid.beta_dot)
        drifts = [
            _drift(flow, draws.scale, here[1:], tuple(float(x[step, j]) for x in schedule))
            for j in range(len(grid.tableau.weights))
        ]
        rates = [rate for rate, _, _ in drifts]
        forcing = [np.stack([np.zeros(count), data, noise]) for _, data, noise in drifts]
        first = (here[0], *drifts[0][1:]) if first is None else first
        if flow.fresh_noise:
            h = grid.lengths[step]
            absorbed = _sum(draws, absorbed * (1 + h * rates[0]), here[0] * (h * drifts[0][2]))

        def slope(j: int, x: np.ndarray, r: list[np.ndarray] = rates, f: list[np.ndarray] = forcing) -> np.ndarray:
            return r[j] * x + f[j]

        y = y + grid.increment(step, slope, y)
    out: dict[str, list[np.ndarray]] = {name: [] for name in ("M", "Q_xi", "Q_eta", "perp", "Q", "cosine")}
    direction = draws.data * (k * first[1]) + first[0] * first[2]
    bias = _HALF / np.sqrt(direction.square())
    half = direction * bias
    for node, radius in zip(grid.nodes.tolist(), grid.radius, strict=True):
        (p, a, b), absorbed = (state * radius for state in by_step[node])
        shift = draws.data * (k * a) + (absorbed if flow.fresh_noise else xi * b)
        along = a + p * bias * first[1]
        out["M"].append(n * k * along)
        out["Q_eta"].append(k * along)
        if flow.fresh_noise:
            # Measured along the absorbed noise; what the direction has of its own noise has a part along that.
            own, outside = half.out_of_plane(), absorbed.out_of_plane()
            length = outside.square()
            share = 1 + p * own.dot(outside) / np.where(length > 0, length, 1.0)
            out["Q_xi"].append(-np.sqrt(absorbed.square() / (draws.total * d)) * share)
        else:
            out["Q_xi"].append(b + p * bias * first[2])
        out["perp"].append(np.abs(p))
        square = p**2 * d + 2 * p * half.dot(shift) + shift.square()
        out["Q"].append(square / d)
        out["cosine"].append(_cosine(p, square / d, shift, half.first, draws))
    result = {name: np.stack(values, axis=1) for name, values in out.items()}
    mean = shift + half * p
    spread = np.abs(p) * np.sqrt(1 - 2 / (np.pi * d))
    centre = Vectors(np.outer([draws.length, 0.0, 0.0, 0.0], np.ones(count)))
    off, eta = mean + centre * -1.0, draws.data + centre * -float(n)
    error = off.square() / d
    result |= {
        "mean_error": error,
        "mean_cosine": mean.first / np.sqrt(mean.square()),
        "sigma_generated": spread,
        "mw2_squared": error + (spread - flow.cluster_std) ** 2,
        "data_overlap": off.dot(eta) / (n * d),
        "training_distance": (square - 2 * mean.dot(draws.data) / n + draws.square / n) / d,
    }
    if not flow.fresh_noise:
        result["noise_overlap"] = mean.dot(xi) / (draws.total * d)
    return result | _denoiser(flow, draws.scale, c, alpha, beta)


def _sum(draws: Draws, kept: Vectors, added: Vectors) -> Vectors:
    """The sum of two vectors; the rest of the second is a Gaussian vector independent of the first's."""
    along = added.parts[3] / np.sqrt(draws.d - 3) * draws.rng.standard_normal(draws.count)
    rest = np.sqrt((kept.parts[3] + along) ** 2 + np.maximum(added.parts[3] ** 2 - along**2, 0.0))
    return Vectors(np.stack([*(kept.parts + added.parts)[:3], rest]))


def _cosine(p: np.ndarray, square: np.ndarray, shift: Vectors, half: np.ndarray, draws: Draws) -> np.ndarray:
    """Mean of y₁/(m √y₂) with y₁ = s X·μ/d, y₂ = ‖X‖²/d, to second order in their fluctuations from point to point."""
    d, m = draws.d, draws.flow.centroid_norm
    mean = draws.length * (shift.first + p * half) / d
    norm = shift.square() / d
    variance = 2 * p**4 / d + 4 * p**2 * norm / d
    covariance = 2 * p**2 * draws.length * shift.first / d**2
    value = mean / np.sqrt(square)
    return (value * (1 + 3 * variance / (8 * square**2)) - covariance / (2 * square**1.5)) / m


def _denoiser(
    flow: MixtureFlow, scale: float, c: list[np.ndarray], alpha: np.ndarray, beta: np.ndarray
) -> dict[str, np.ndarray]:
    """b and the components of v at the measured times."""
    c00, c01, c11 = (x[:, None] for x in c)
    d = alpha**2 * c00 + 2 * alpha * beta * c01 + beta**2 * c11
    b = (alpha * c01 + beta * c11) / np.where(d > 0, d, 1.0) if flow.skip else np.zeros_like(d)
    data = (1 - b * beta) / scale
    total = flow.samples * flow.noises
    return {"b": b, "w_m": total * data, "w_xi": -b * alpha / scale, "w_eta": flow.noises * data}
