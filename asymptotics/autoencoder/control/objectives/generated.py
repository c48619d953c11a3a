"""Objectives of the generated law: its moments by fixed nodes over the starting points of the reduced flow."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache

import numpy as np

from ....common.input.checks import ComputationError, InputError
from ....common.numerics.distances.transport import gaussian_w2_squared
from ....common.numerics.quadrature.expectations import Rule
from ...equations.training_path.state import OrderParameters
from ...generated.density import GeneratedDensity
from ...model.problem import Problem
from ...observables.errors import orthonormal
from ..differences import differentiate
from ..setting import Setting
from .reduced_flow import differentiable, pulled
from .trained import Objective, order_parameters

#: Reach (in standard deviations) and points a direction of the grid of starting points, by number of encoders.
REACH, POINTS = 8.0, {1: 401, 2: 81}
#: How much the grid is finer at the origin: x = REACH sinh(DENSE u)/sinh(DENSE), u uniform.
DENSE = 7.0
#: Points where there are more encoders, and steps of the flow in continuous time.
MANY, STEPS = 2**13, 400


@lru_cache(maxsize=4)
def starting_points(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights over z ~ N(0, I_n): a grid that is fine about the origin, where fronts between modes are steep.

    The trapezoidal rule in u is spectrally accurate; Gauss–Hermite nodes step over the fronts.
    """
    if n not in POINTS:
        return Rule("sobol", MANY).points(n)
    u = np.linspace(-1.0, 1.0, POINTS[n])
    x = REACH * np.sinh(DENSE * u) / np.sinh(DENSE)
    w = np.exp(-x * x / 2) * np.cosh(DENSE * u)
    z = np.stack([a.ravel() for a in np.meshgrid(*[x] * n, indexing="ij")], axis=1)
    weight = np.prod(np.stack([a.ravel() for a in np.meshgrid(*[w] * n, indexing="ij")]), axis=0)
    kept = weight > 1e-16
    return np.ascontiguousarray(z[kept]), weight[kept] / weight[kept].sum()


def laws(problem: Problem, at: OrderParameters) -> list[tuple[float, GeneratedDensity]]:
    """The generated laws that are mixed, with their shares: of a labelled network that is told no label one for each label."""
    labels: list[tuple[int | None, float]] = [(None, 1.0)]
    own = problem.target.cluster_labels
    if problem.denoiser.labelled and problem.sampling.label is None and own is not None:
        labels = [(int(k), float(problem.target.weights[own == k].sum())) for k in np.unique(own)]
    found = []
    for label, share in labels:
        law = GeneratedDensity(problem, at, label=label)
        if law.noisy:
            raise InputError(
                f"sampling.epsilon = {problem.sampling.epsilon}: must be 0 for an objective of the generated law"
            )
        law.fix_steps(STEPS)
        found.append((share, law))
    return found


def generated_moments(problem: Problem, at: OrderParameters) -> tuple[np.ndarray, np.ndarray]:
    """Mean (K,) and second moments E XXᵀ (K, K) of the generated projections on the reference directions.

    E XXᵀ = Σ_i w_i m_i m_iᵀ + v (G − Θᵀ Q⁺ Θ), m_i where the starting point z_i ends.
    """
    K = problem.target.directions
    mean, second = np.zeros(K), np.zeros((K, K))
    for share, law in laws(problem, at):
        z, w = starting_points(len(law.Q))
        flow = law.carry(z @ law.root)
        centres = flow.linear @ law.lift.T + flow.network @ law.theta_network
        mean += share * (w @ centres)
        second += share * ((centres.T * w) @ centres + law.span_covariance)
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(second))):
        raise ComputationError("the generated law of this network has no finite moments")
    return mean, second


def target_moments(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The same of the target."""
    means, w = problem.target.projected_centroids(), problem.target.weights
    second = np.einsum("c,ckl->kl", w, problem.target.projected_covariance()) + (means.T * w) @ means
    return w @ means, second


class OfGenerated(Objective):
    """A function of the mean and the second moments of the generated law."""

    @abstractmethod
    def of(self, problem: Problem, mean: np.ndarray, second: np.ndarray) -> float:
        """Its value."""

    def value(self, setting: Setting, problem: Problem, y: np.ndarray) -> float:
        at = order_parameters(problem, setting.layout, y, problem.training.tau)
        return self.of(problem, *generated_moments(problem, at))

    def gradient(self, setting: Setting, y: np.ndarray) -> tuple[float, np.ndarray]:
        """By the adjoint of the discrete flow; of the continuous one, and by κ, by differences (which cost no drift)."""
        problem, layout = setting.problem, setting.layout
        at = order_parameters(problem, layout, y, problem.training.tau)
        mixed = laws(problem, at)
        if not all(differentiable(law) for _, law in mixed):
            return super().gradient(setting, y)
        mean, second = generated_moments(problem, at)
        K = len(mean)
        moments = np.concatenate([mean, second.ravel()])
        bar = differentiate(lambda m: self.of(problem, m[:K], m[K:].reshape(K, K)), moments)
        bar_mean, bar_second = bar[:K], bar[K:].reshape(K, K)
        p, which = problem.optimiser.p, problem.generating
        slot = slice(0, p) if which is None else problem.optimiser.average(which)
        theta, q, _, _ = layout.unpack(np.zeros_like(y))
        first = layout.at_b + (0 if which is None else (1 + which) * layout.scalars)
        out = np.zeros_like(y)
        for share, law in mixed:
            worth = pulled(problem, law, *starting_points(len(law.Q)), share * bar_mean, share * bar_second)
            theta[:, slot] += worth.Theta
            q[:, slot, slot] += worth.Q
            out[first : first + len(worth.b)] += worth.b if problem.denoiser.basis else 0.0
        i, j = layout.upper
        out[: layout.sizes[0]] = theta.ravel()
        out[layout.sizes[0] : layout.at_b] = (q[:, i, j] + np.where(i == j, 0.0, q[:, j, i])).ravel()
        scalars = first + layout.basis + np.arange(layout.parameters)

        def by_scalars(kappa: np.ndarray) -> float:
            moved = y.copy()
            moved[scalars] = kappa
            return self.value(setting, problem, moved)

        out[scalars] = differentiate(by_scalars, y[scalars])
        return self.of(problem, mean, second), out


class Moments(OfGenerated):
    """Σ_kl (S_gen − S_target)²_kl of the second moments S = E XXᵀ in the reference directions."""

    def of(self, problem: Problem, mean: np.ndarray, second: np.ndarray) -> float:
        return float(np.sum((second - target_moments(problem)[1]) ** 2))


class Wasserstein(OfGenerated):
    """W₂² between the Gaussians that have the means and covariances of the generated law and of the target.

    In an orthonormal basis of the reference directions' span.
    """

    def of(self, problem: Problem, mean: np.ndarray, second: np.ndarray) -> float:
        B = orthonormal(problem)
        both: list[np.ndarray] = []
        for m, S in ((mean, second), target_moments(problem)):
            covariance = B @ ((S + S.T) / 2 - np.outer(m, m)) @ B.T
            both += [B @ m, covariance]
        return gaussian_w2_squared(*both)
