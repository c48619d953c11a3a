"""What the right-hand sides read of a problem, unpacked once: times, target, rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.problem import Problem
from ..model.rate_schedule import RateSchedule


@dataclass(frozen=True)
class Coefficients:
    """Everything of a problem that multiplies or averages the moments of the network.

    Attributes
    ----------
    times, time_weights : (times,)
        Of E_t.
    schedule : (4, times)
        α, β, α̇, β̇.
    pi, c : (clusters,), (clusters, K)
        Weights of the clusters and their coordinates in the reference directions.
    varsigma, mass : (clusters, atoms), (atoms,)
        Eigenvalues ς_s(c) and shares p_s of the directions.
    T, t : (atoms, K, K), (clusters, atoms, K)
        Gram matrices of the reference directions, and T(s)c.
    Lambda : float
        tr E Σ/d.
    eta, decay : float
        Learning rate η and weight decay λ.
    rho, rho_b : (p,), float
        Factors on the learning rates of the vectors and of b.
    rate_schedule : RateSchedule or None
        s(τ); None: 1.
    batch : int
        Samples a step.
    shared_sample : bool
        Whether one sample serves several times.
    """

    times: np.ndarray
    time_weights: np.ndarray
    schedule: np.ndarray
    pi: np.ndarray
    c: np.ndarray
    varsigma: np.ndarray
    mass: np.ndarray
    T: np.ndarray
    t: np.ndarray
    Lambda: float
    eta: float
    decay: float
    rho: np.ndarray
    rho_b: float
    rate_schedule: RateSchedule | None
    batch: int
    shared_sample: bool

    @classmethod
    def of(cls, problem: Problem) -> Coefficients:
        """Those of a problem."""
        target, training, s = problem.target, problem.training, problem.interpolant
        times, time_weights = training.nodes()
        rho, rho_b = problem.denoiser.rates(training.rates or {})
        return cls(
            times=times,
            time_weights=time_weights,
            schedule=np.stack([np.atleast_1d(f(times)) for f in (s.alpha, s.beta, s.alpha_dot, s.beta_dot)]),
            pi=target.weights,
            c=np.ascontiguousarray(target.centroids),
            varsigma=target.cluster_eigenvalues,
            mass=np.ascontiguousarray(target.masses),
            T=target.reference_overlaps,
            t=along(target.reference_overlaps, target.centroids),
            Lambda=target.mean_eigenvalue,
            eta=training.learning_rate,
            decay=training.weight_decay,
            rho=rho,
            rho_b=rho_b,
            rate_schedule=training.rate_schedule(),
            batch=training.batch,
            shared_sample=training.shares_samples,
        )

    def scale(self, tau: float) -> float:
        """s(τ)."""
        return 1.0 if self.rate_schedule is None else float(self.rate_schedule(tau))


def along(T: np.ndarray, c: np.ndarray) -> np.ndarray:
    """T(s)c of every cluster and atom, (clusters, atoms, K)."""
    return np.ascontiguousarray(np.einsum("skl,cl->csk", T, c))
