"""Objectives of the generated law: its moments by fixed nodes over the starting points of the reduced flow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...common.input.checks import ComputationError, InputError
from ...common.numerics.expectations import Rule
from ...common.numerics.transport import gaussian_w2_squared
from ..equations.state import OrderParameters
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from ..observables.errors import orthonormal
from .objectives import Objective, order_parameters
from .setting import Setting

#: Reach (in standard deviations) and points a direction of the uniform grid of starting points, by number of encoders.
REACH, POINTS = 8.0, {1: 1201, 2: 121}
#: Points where there are more encoders, and steps of the flow in continuous time.
MANY, STEPS = 2**13, 400


@lru_cache(maxsize=4)
def starting_points(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights over z ~ N(0, I_n): a uniform grid, which resolves fronts that Gauss–Hermite nodes step over."""
    if n not in POINTS:
        return Rule("sobol", MANY).points(n)
    x = np.linspace(-REACH, REACH, POINTS[n])
    w = np.exp(-x * x / 2)
    z = np.stack([a.ravel() for a in np.meshgrid(*[x] * n, indexing="ij")], axis=1)
    weight = np.prod(np.stack([a.ravel() for a in np.meshgrid(*[w] * n, indexing="ij")]), axis=0)
    kept = weight > 1e-16
    return np.ascontiguousarray(z[kept]), weight[kept] / weight[kept].sum()


def generated_moments(problem: Problem, at: OrderParameters) -> tuple[np.ndarray, np.ndarray]:
    """Mean (K,) and second moments E XXᵀ (K, K) of the generated projections on the reference directions.

    E XXᵀ = Σ_i w_i m_i m_iᵀ + v (G − Θᵀ Q⁺ Θ), m_i where the starting point z_i ends. Of a labelled network that is told no label
    they are those of all labels together.
    """
    labels: list[tuple[int | None, float]] = [(None, 1.0)]
    own = problem.target.cluster_labels
    if problem.denoiser.labelled and problem.sampling.label is None and own is not None:
        labels = [(int(k), float(problem.target.weights[own == k].sum())) for k in np.unique(own)]
    mean, second = 0.0, 0.0
    for label, share in labels:
        law = GeneratedDensity(problem, at, label=label)
        if law.noisy:
            raise InputError(
                f"sampling.epsilon = {problem.sampling.epsilon}: must be 0 for an objective of the generated law"
            )
        law.fix_steps(STEPS)
        z, w = starting_points(len(law.Q))
        flow = law.carry(z @ law.root)
        centres = flow.linear @ law.lift.T + flow.network @ law.theta_network
        mean = mean + share * (w @ centres)
        second = second + share * ((centres.T * w) @ centres + law.span_covariance)
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(second))):
        raise ComputationError("the generated law of this network has no finite moments")
    return np.asarray(mean), np.asarray(second)


def target_moments(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The same of the target."""
    means, w = problem.target.projected_centroids(), problem.target.weights
    second = np.einsum("c,ckl->kl", w, problem.target.projected_covariance()) + (means.T * w) @ means
    return w @ means, second


@dataclass(frozen=True)
class Moments(Objective):
    """Σ_kl (S_gen − S_target)²_kl of the second moments S = E XXᵀ in the reference directions."""

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = order_parameters(problem, setting.layout, y, problem.training.tau)
        return float(np.sum((generated_moments(problem, at)[1] - target_moments(problem)[1]) ** 2))


@dataclass(frozen=True)
class Wasserstein(Objective):
    """W₂² between the Gaussians that have the means and covariances of the generated law and of the target.

    In an orthonormal basis of the reference directions' span.
    """

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = order_parameters(problem, setting.layout, y, problem.training.tau)
        B = orthonormal(problem)
        laws = []
        for mean, second in (generated_moments(problem, at), target_moments(problem)):
            laws += [B @ mean, B @ (second - np.outer(mean, mean)) @ B.T]
        return gaussian_w2_squared(*laws)
