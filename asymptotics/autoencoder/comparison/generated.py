"""The generated points of every run against the law that its own network has: exact at every d.

Given its weights a network generates X linearly outside their span, so that the law of the projections at t_f follows from
the run's own overlaps without any error of finite d. What is compared with theory are therefore moments and shares of the
points *beyond* those of the network that produced them; how networks differ is what the order parameters are tested for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...common.numerics.distances.gaussians import sliced_wasserstein
from ...common.output.ensemble import Ensemble
from ...common.output.entries import entries, upper_entries
from ...common.output.verdict import Row
from ..equations.training_path.path import OrderParameters
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from ..process.training.results import STACKED, Runs, trained_skip
from ..solution import OrderParameterPath

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Points of the law for every generated one: their noise, in every run anew, adds 1/this to its variance.
POINTS = 16
#: Directions between the axes along which the points are compared too.
OBLIQUE = 3


class Law:
    """Moments and distribution functions of the projections that one network generates, by independent latent points."""

    def __init__(
        self,
        problem: Problem,
        at: OrderParameters,
        directions: np.ndarray,
        points: int,
        seed: int | Sequence[int] | np.random.SeedSequence,
    ) -> None:
        law = GeneratedDensity(problem, at)
        rng = np.random.default_rng(seed)
        flow = law.transport(rng.standard_normal((points, len(law.Q))) @ law.root, rng=rng if law.noisy else None)
        centres = law._centres(flow)
        self.residual = law.span_covariance
        self.mean = centres.mean(axis=0)
        # About the mean: without it the covariance of two samples (of points, of the law) is not unbiased.
        self.second = centres.T @ centres / points + self.residual
        self.centres = centres @ directions.T
        self.width = np.sqrt(np.maximum(np.einsum("mk,kl,ml->m", directions, self.residual, directions), 1e-24))

    def below(self, x: np.ndarray) -> np.ndarray:
        """P(projection < x), for x of shape (levels, directions)."""
        from scipy.special import ndtr

        return np.stack([ndtr((line - self.centres) / self.width).mean(axis=0) for line in x])

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """About the quantiles, (levels, directions)."""
        noise = np.random.default_rng(0).standard_normal(self.centres.shape)
        return np.asarray(np.quantile(self.centres + self.width * noise, levels, axis=0))


def directions_of(K: int) -> np.ndarray:
    """The axes and, of several, some directions between them."""
    if K < 2:
        return np.eye(K)
    oblique = np.random.default_rng(5).standard_normal((OBLIQUE, K))
    return np.concatenate([np.eye(K), oblique / np.linalg.norm(oblique, axis=1, keepdims=True)])


def at_end(tau: float, ensemble: Ensemble, r: int, average: int | None = None) -> OrderParameters:
    """Measured order parameters of one run at the last τ, of the network or of one of its averages."""
    Q, Theta, M, b, kappa = (ensemble[name][r, -1] for name in Runs.NAMES)
    if average is not None:
        p, found = len(Q), [ensemble[name][r, -1] for name in STACKED]
        first = len(found[0]) - p * (len(found[3]) - 1) + average * p
        at = slice(first, first + p)
        Q, Theta, M = found[0][at, at], found[1][at], found[2][at]
        b, kappa = trained_skip(found[3][1 + average]), found[4][1 + average]
    return OrderParameters(tau, Q, Theta, M, b if np.ndim(b) else float(b), kappa, Q[None], Theta[None])


def generated_rows(path: OrderParameterPath, runs: Runs, problem: Problem, seed: int = 1) -> list[Row]:
    """Mean, second moments, and shares of points below the theory's quantiles."""
    directions = directions_of(problem.target.directions)
    count = POINTS * max(runs.generated.shape[1], 1000)
    at = path(min(float(runs.tau[-1]), path.tau_max))
    theory = Law(problem, at, directions, 1 << 17, np.random.SeedSequence([seed, 0]))
    levels = theory.quantiles(QUANTILES)
    upper = np.triu_indices(problem.target.directions)
    expected = (theory.mean, theory.second[upper], theory.below(levels))
    values: list[list[np.ndarray]] = [[], [], []]
    for ensemble in (runs.main, runs.low):
        for r, points in enumerate(ensemble["generated"]):
            own_network = at_end(float(runs.tau[-1]), ensemble, r, problem.generating)
            law = Law(problem, own_network, directions, count, [seed, len(values[0]), 1])
            along = points @ directions.T
            found = (points.mean(axis=0), (points.T @ points)[upper] / len(points))
            shares = np.stack([np.mean(along < line, axis=0) for line in levels])
            own = (law.mean, law.second[upper], law.below(levels))
            for k, x in enumerate((*found, shares)):
                values[k].append(x - own[k] + expected[k])
    names = ("generated mean", "generated second moments", "generated below quantiles")
    labels = (
        entries(names[0], expected[0].shape),
        upper_entries(names[1], problem.target.directions),
        tuple(
            f"generated below quantile {q:g} of direction {k + 1}" for q in QUANTILES for k in range(len(directions))
        ),
    )
    return [Row.of_runs(n, e, v, labels=x) for n, e, v, x in zip(names, expected, values, labels, strict=True)]


def distances(law: GeneratedDensity, runs: Runs, seed: int = 1) -> tuple[float, float]:
    """Mean sliced Wasserstein distance of a run's points to theory, and to the other runs (both from as many points)."""
    points = runs.generated
    R, n, K = points.shape
    predicted = law.sample(R * n, np.random.SeedSequence([seed, 2])).reshape(R, n, K)
    to_theory, to_runs = np.empty(R), np.empty(R)
    for r in range(R):
        others = [s for s in range(R) if s != r]
        to_theory[r] = sliced_wasserstein(points[r], predicted[others].reshape(-1, K), seed=seed)
        to_runs[r] = sliced_wasserstein(points[r], points[others].reshape(-1, K), seed=seed)
    return float(to_theory.mean()), float(to_runs.mean())
