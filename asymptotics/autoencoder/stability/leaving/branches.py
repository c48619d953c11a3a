"""Paths that runs at finite dimension take from where they leave a saddle's path: drawn there, integrated one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ....common.input.checks import ComputationError, InputError
from ....common.numerics.quadrature.expectations import Rule
from ...equations.derivative.drift import Drift
from ...equations.integration.integrate import Controls, integrate, kernels_of
from ...equations.training_path.path import TrainingPath
from ...equations.training_path.stability import Stability
from ...finite_size.bias import Bias, bias, drift_of
from ...finite_size.covariances import Fluctuations
from ...finite_size.fluctuations import fluctuations
from ...finite_size.linear_noise.terms import Terms
from ...model.network.denoiser import Init
from ...model.problem import Problem
from ..flow import Flow
from .saddle import fine_flow

#: Runs are drawn where their overlaps' standard deviation is this share of √Q: late enough for the noise of SGD to have entered,
#: early enough to be Gaussian. And not beyond this.
LINEAR, LARGEST_OVERLAP = 0.12, 0.1
#: τ at which that is looked at.
LOOKED = 60
#: A branch on which runs scatter by this many times that is drawn anew, at most so often.
SCATTERED, MOST_PIECES = 2.0, 60
#: Tolerance of a branch: far below what a draw differs from the next.
TOLERANCE = 1e-6
#: Relative accuracy of the first branch's expectations.
ROUGH = 1e-4
#: Expectations of a branch's error bars, which need them to a few per cent; where moments are polynomials they are exact.
NOISE_NODES, EXACT_NODES = {"hermite": 24, "sobol": 2048}, 8


@dataclass(frozen=True)
class Leaving:
    """Where runs are drawn: at τ, from a Gaussian about the path.

    Attributes
    ----------
    tau : float
    mean : (size,)
        The path there with its bias m₁/d.
    covariance : (size, size)
        C/d.
    """

    tau: float
    mean: np.ndarray
    covariance: np.ndarray

    def draw(self, count: int, seed: int) -> np.ndarray:
        """States, (count, size); stratified along every principal axis."""
        from scipy.special import ndtri
        from scipy.stats import qmc

        values, axes = np.linalg.eigh(self.covariance)
        z = ndtri(qmc.LatinHypercube(len(values), rng=np.random.default_rng(seed)).random(count))
        return np.asarray(self.mean + (z * np.sqrt(np.maximum(values, 0.0))) @ axes.T)


def leaving(path: TrainingPath, dimension: int, initial: str, until: float) -> Leaving:
    """The last τ before ``until`` at which runs scatter linearly around a path."""
    f, chosen = fluctuations(path, initial=initial), None
    for tau in np.linspace(0.0, until, LOOKED):
        spread = overlap_spread(path, f, float(tau), dimension)
        if chosen is not None and spread > linear_limit(path, float(tau)):
            break
        if spread > 0:
            chosen = float(tau)
    if chosen is None:
        raise InputError("initial: neither the start nor the noise of SGD spreads the runs; they stay on the path")
    m1 = bias(path, dimension, initial=initial).state(chosen)
    return Leaving(chosen, path.state(chosen) + m1 / dimension, f.state_covariance(chosen)[0] / dimension)


def overlap_spread(path: TrainingPath, f: Fluctuations, tau: float, dimension: int) -> float:
    """Largest standard deviation of a combination of Θ in runs around a path."""
    count = path.p * path.K
    C = f.covariance(tau, dimension)[:count, :count]
    return float(np.sqrt(max(float(np.linalg.eigvalsh(C)[-1]), 0.0)))


def linear_limit(path: TrainingPath, tau: float) -> float:
    """Spread of Θ up to which the flow around a path is linear."""
    return min(LINEAR * float(np.sqrt(np.linalg.eigvalsh(path(tau).Q)[-1])), LARGEST_OVERLAP)


@dataclass(frozen=True)
class Piece:
    """A branch from τ = ``start`` to ``stop``, with the noise on it (its own τ begins at 0)."""

    start: float
    stop: float
    path: TrainingPath
    fluctuations: Fluctuations
    bias: Bias


def later(problem: Problem, flow: Flow, tau: float, y: np.ndarray) -> Problem:
    """The rest of a training, from the state y at τ on."""
    theta, q, b, kappa = flow.layout.unpack(y)
    training = problem.training.replace(tau=problem.training.tau - tau)
    if problem.training.schedule is not None:
        # The schedule goes on where it is.
        shifted = re.sub(r"\btau\b", f"(tau + {tau!r})", str(problem.training.schedule))
        training = training.replace(schedule=shifted)
    init = Init(Theta=theta, Q=q)
    denoiser = problem.denoiser.replace(init=init, parameters=kappa)
    if denoiser.has_skip:
        denoiser = denoiser.replace(skip=float(b) if np.ndim(b) == 0 else b.tolist())
    return replace(problem, denoiser=denoiser, training=training)


class Branches:
    """Integrates branches with expectations chosen once.

    Parameters
    ----------
    path : TrainingPath
    start : Leaving
    dimension : int
    """

    def __init__(self, path: TrainingPath, start: Leaving, dimension: int) -> None:
        self.path, self.start, self.dimension = path, start, dimension
        problem = path.problem
        self.encoders = len(kernels_of(problem).encoders)
        self.flow = fine_flow(problem, [path.state(x * path.tau_max) for x in (0.0, 1.0)], ROUGH)
        values, axes = np.linalg.eigh(start.covariance)
        self._choose(start.mean)
        pilot = self.path_from(start.mean + 2 * np.sqrt(values[-1]) * axes[:, -1])
        states = [pilot.state(x * pilot.tau_max) for x in (0.0, 0.5, 1.0)]
        self.flow = fine_flow(problem, [path.state(path.tau_max), *states], TOLERANCE)
        self._choose(start.mean)
        self.terms = Terms(self.rest, *(self._coarser(rule) for rule in self.flow.rules))
        self.curved = drift_of(self.rest, self.terms)
        # What a branch grows by at most, so that its error bars are resolved from the start.
        rate = max(0.0, float(np.max(path.stability.rate)))
        self.growth = Stability(np.array([0.0, self.rest.training.tau]), np.array([rate, rate]))

    def _choose(self, y: np.ndarray) -> None:
        self.rest = later(self.path.problem, self.flow, self.start.tau, self.flow.physical(y))
        self.drift = Drift(self.rest, kernels_of(self.rest), *self.flow.rules)

    def _coarser(self, rule: Rule) -> Rule:
        kind = rule.kind if rule.kind in NOISE_NODES else "hermite"
        enough = NOISE_NODES[kind] if kind != "hermite" else max(EXACT_NODES, NOISE_NODES[kind] // self.encoders)
        return Rule(kind, min(rule.nodes, enough) if rule.nodes > 1 else EXACT_NODES)

    def path_from(self, y: np.ndarray, tau: float | None = None) -> TrainingPath:
        """The path from the state y at τ (default: the time of leaving)."""
        problem = later(self.path.problem, self.flow, self.start.tau if tau is None else tau, self.flow.physical(y))
        scheduled = problem.training.schedule is not None
        drift = Drift(problem, kernels_of(problem), *self.flow.rules) if scheduled else self.drift
        return integrate(problem, drift, Controls("DOP853", TOLERANCE, TOLERANCE, 100_000), False)

    def pieces(self, y: np.ndarray, rng: np.random.Generator) -> Iterator[Piece]:
        """A run's branch from y on; where its own noise no longer is small it is drawn anew from it."""
        tau, end = self.start.tau, self.path.tau_max
        for _ in range(MOST_PIECES):
            branch = replace(self.path_from(y, tau), stability=self.growth)
            same = self.path.problem.training.schedule is None
            terms = self.terms if same else Terms(branch.problem, self.terms.rule, self.terms.noise_rule)
            f = fluctuations(branch, terms=terms)
            stop, m1 = self._scattered(branch, f), bias(branch, self.dimension, drift=self.curved if same else None)
            yield Piece(tau, end if stop is None else tau + stop, branch, f, m1)
            if stop is None:
                return
            mean = branch.state(stop) + m1.state(stop) / self.dimension
            values, axes = np.linalg.eigh(f.state_covariance(stop)[0] / self.dimension)
            y = mean + axes @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(values)))
            tau += stop
        raise ComputationError(
            f"typical: a branch at d = {self.dimension} is drawn anew without end; take a larger dimension"
        )

    def _scattered(self, branch: TrainingPath, f: Fluctuations) -> float | None:
        """The last knot before runs on a branch are scattered too widely for the linear theory; None if they never are."""
        for before, tau in pairwise(f.knots):
            if overlap_spread(branch, f, float(tau), self.dimension) > SCATTERED * linear_limit(branch, float(tau)):
                return float(before if before > 0 else tau) if tau < f.knots[-1] else None
        return None
