"""What the right-hand sides read of a problem, unpacked once: times, target, rates; and what of it moves along τ."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from ...model.functions.rate_schedule import RateSchedule
from ...model.problem import Problem
from ...model.training.optimiser import LinearMap


@dataclass(frozen=True)
class Instant:
    """The times of E_t at one τ, and what depends on them.

    Attributes
    ----------
    times, first, second : (times,)
        Weights of all that is linear in the gradient, and of its squares where they are made time by time.
    told : (5, times)
        α, β, α̇, β̇, t.
    fixed, psi : (times,), (basis, times)
        s₀ and the ψ_k.
    decay : float
        Weight decay λ.
    """

    times: np.ndarray
    first: np.ndarray
    second: np.ndarray
    told: np.ndarray
    fixed: np.ndarray
    psi: np.ndarray
    decay: float

    @classmethod
    def of(cls, problem: Problem, tau: float) -> Instant:
        """That of a problem at τ."""
        average = problem.time_average(tau)
        return cls(
            times=average.times,
            first=average.first,
            second=average.second,
            told=np.ascontiguousarray(problem.told(average.times)),
            **dict(zip(("fixed", "psi"), problem.skip_functions(average.times), strict=True)),
            decay=problem.decay(tau),
        )

    def skip(self, b: float | np.ndarray) -> np.ndarray:
        """s at the times, (times,)."""
        if len(self.psi) == 0:
            return self.fixed
        return np.asarray(self.fixed + np.atleast_1d(b) @ self.psi)


@dataclass(frozen=True)
class Coefficients:
    """Everything of a problem that multiplies or averages the moments of the network.

    Attributes
    ----------
    start : Instant
        The times of E_t at τ = 0.
    pi, c : (cells,), (cells, K)
        Weights of the cells (clusters; of a labelled network clusters with a label or without) and their coordinates in the
        reference directions.
    told : (cells, L)
        The one-hot label of every cell.
    varsigma, mass : (cells, atoms), (atoms,)
        Eigenvalues ς_s(c) and shares p_s of the directions.
    T, t : (atoms, K, K), (cells, atoms, K)
        Gram matrices of the reference directions, and T(s)c.
    Lambda : float
        tr E Σ/d.
    eta : float
        Learning rate η.
    optimiser : LinearMap
        R and A on the stacked vectors.
    rho_b : float
        Factor on the learning rate of b.
    rate_schedule : RateSchedule or None
        s(τ); None: 1.
    batch : int
        Samples a step.
    shared_sample : bool
        Whether one sample serves several times.
    moving : Problem or None
        Where times, their weights or the weight decay depend on τ: whom to ask.
    pieces : (n,)
        Ends of pieces of [0, τ] that no step of an integrator should cross.
    """

    start: Instant
    pi: np.ndarray
    c: np.ndarray
    told: np.ndarray
    varsigma: np.ndarray
    mass: np.ndarray
    T: np.ndarray
    t: np.ndarray
    Lambda: float
    eta: float
    optimiser: LinearMap
    rho_b: float
    rate_schedule: RateSchedule | None
    batch: int
    shared_sample: bool
    pieces: np.ndarray
    moving: Problem | None = None
    _kept: dict[float, Instant] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, problem: Problem) -> Coefficients:
        """Those of a problem (the last ones are kept: a solve asks several times)."""
        for known, found in tuple(_recent):
            if known() is problem:
                return found
        _recent.append((weakref.ref(problem), cls._read(problem)))
        return _recent[-1][1]

    @classmethod
    def _read(cls, problem: Problem) -> Coefficients:
        target, training, cells = problem.target, problem.training, problem.cells
        _, rho_b = problem.denoiser.rates(training.rates or {})
        t = along(target.reference_overlaps, target.centroids)
        return cls(
            start=Instant.of(problem, 0.0),
            pi=cells.weight,
            c=np.ascontiguousarray(target.centroids[cells.cluster]),
            told=np.ascontiguousarray(cells.one_hot),
            varsigma=np.ascontiguousarray(target.cluster_eigenvalues[cells.cluster]),
            mass=np.ascontiguousarray(target.masses),
            T=target.reference_overlaps,
            t=np.ascontiguousarray(t[cells.cluster]),
            Lambda=target.mean_eigenvalue,
            eta=training.learning_rate,
            optimiser=problem.optimiser,
            rho_b=rho_b,
            rate_schedule=training.rate_schedule(),
            batch=training.batch,
            shared_sample=training.shares_samples,
            pieces=training.pieces(),
            moving=problem if training.moving else None,
        )

    def at(self, tau: float) -> Instant:
        """The times of E_t at τ."""
        if self.moving is None:
            return self.start
        if tau not in self._kept:
            if len(self._kept) > 64:
                self._kept.clear()
            self._kept[tau] = Instant.of(self.moving, min(tau, self.moving.training.tau))
        return self._kept[tau]

    def scale(self, tau: float) -> float:
        """s(τ)."""
        return 1.0 if self.rate_schedule is None else float(self.rate_schedule(tau))

    # those of a training whose times stand still ---------------------------------------------------------------

    @property
    def times(self) -> np.ndarray:
        """The times of E_t at τ = 0."""
        return self.start.times

    @property
    def time_weights(self) -> np.ndarray:
        """Their weights."""
        return self.start.first

    @property
    def schedule(self) -> np.ndarray:
        """α, β, α̇, β̇ there, (4, times)."""
        return self.start.told[:4]

    @property
    def rho(self) -> np.ndarray:
        """Factors on the learning rates of the network's vectors."""
        return self.optimiser.rho

    @property
    def decay(self) -> float:
        """Weight decay λ at τ = 0."""
        return self.start.decay


_recent: deque[tuple[weakref.ref[Problem], Coefficients]] = deque(maxlen=2)


def along(T: np.ndarray, c: np.ndarray) -> np.ndarray:
    """T(s)c of every cluster and atom, (clusters, atoms, K)."""
    return np.ascontiguousarray(np.einsum("skl,cl->csk", T, c))
