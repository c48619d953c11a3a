"""An experiment as what runs in R^d: the SGD that is told nothing but data and rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....common.input.checks import InputError, integer
from ...kernels.written.network import Forward
from ...model.data.samples import Source, load_samples
from ...model.data.target import EmpiricalMixture
from ...model.functions.of_time import OfTime
from ...model.functions.rate_schedule import rate_schedule
from ...model.problem import Problem
from ...model.training.training import Training
from .optimiser import Optimiser
from .problem import SgdProblem


def forward_of(problem: Problem) -> Forward:
    """The network's φ and slopes, compiled."""
    denoiser = problem.denoiser
    return Forward.from_specification(denoiser.specification(), denoiser.declaration)


@dataclass(frozen=True)
class _Schedule:
    """Mean of s over the SGD step that starts at τ: a picklable function of arrays.

    With the mean no burst falls between two steps, and the sum over steps is ∫s dτ.
    """

    text: Any
    tau: float
    step: float

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        return rate_schedule(self.text, self.tau, "training.schedule").averages(tau, self.step)


@dataclass(frozen=True)
class _Decay:
    """The weight decay along τ: a picklable function of arrays."""

    training: Training

    @property
    def text(self) -> Any:
        """What says which function this is."""
        return self.training.weight_decay

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        moving = self.training.moving_decay
        if moving is None:
            raise RuntimeError("the weight decay does not move")
        return moving(np.minimum(tau, self.training.tau))


@dataclass(frozen=True)
class _Moving:
    """What a training whose time or weights move along τ is told at every τ: a picklable function of arrays."""

    problem: Problem

    @property
    def text(self) -> Any:
        """What says which function this is."""
        denoiser, training = self.problem.denoiser, self.problem.training
        return (
            training.times,
            training.weights,
            denoiser.skip_fixed,
            denoiser.skip_basis,
            repr(self.problem.interpolant),
        )

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        training = self.problem.training
        tau = np.minimum(tau, training.tau)
        moving, weights = training.moving_time, training.moving_weights
        t = np.tile(training.times, (len(tau), 1)) if moving is None else moving(tau)[:, None]
        gains = _gains(self.problem, t)
        if weights is not None:
            gains = weights(tau).reshape(t.shape) * (t.shape[1] if training.average == "times" else 1.0)
        rows = _rows(self.problem, t)
        return np.concatenate([rows["clock"], rows["target"], gains[None], rows["skips"]])


@dataclass(frozen=True)
class _Probabilities:
    """Probabilities of the times along τ: a picklable function of arrays."""

    problem: Problem

    @property
    def text(self) -> Any:
        """What says which function this is."""
        return self.problem.training.time_probabilities

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        moving = self.problem.training.moving_probabilities
        if moving is None:
            raise RuntimeError("the probabilities of the times do not move")
        return np.asarray(moving(np.minimum(tau, self.problem.training.tau)).reshape(len(tau), -1))


@dataclass(frozen=True)
class _Entry:
    """One entry of a declared optimiser as a function of arrays of τ."""

    expression: Any

    @property
    def text(self) -> str:
        """What says which function this is."""
        return str(self.expression)

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        import sympy

        from derivations import schedule

        function = sympy.lambdify([schedule.tau], self.expression, modules=["scipy", "numpy"])
        return np.array(np.broadcast_to(function(tau), tau.shape), dtype=np.float64)


def _rows(problem: Problem, t: np.ndarray) -> dict[str, np.ndarray]:
    """What the network and the loss know of the times t: α, β, α̇, β̇, t; y₀, y₁; s₀ and the ψ_k."""
    told = problem.told(t)
    fixed, psi = problem.skip_functions(t)
    # Without a trained skip connection b is a number that nothing multiplies.
    trained = psi if len(psi) else np.zeros((1, *t.shape))
    target = np.stack(forward_of(problem).target(*told[:4]))
    return {"clock": told, "target": target, "skips": np.concatenate([fixed[None], trained])}


def _gains(problem: Problem, t: np.ndarray) -> np.ndarray:
    """w at the times t, which are those of the training in their order (last axis; the one time at several τ)."""
    training = problem.training
    if isinstance(training.weights, str):
        return OfTime(training.weights, "training.weights")(problem.interpolant, t)
    if not isinstance(training.weights, np.ndarray):
        return np.ones(t.shape)
    # E_t f = Σ_i w_i f(t_i) where all times share a sample; of a time drawn with p_i the gradient is multiplied by w_i.
    count = len(training.weights) if training.average == "times" else 1
    return np.broadcast_to(training.weights * count, t.shape).astype(np.float64)


def times_of(problem: Problem) -> dict[str, Any]:
    """The times of E_t with their weights or probabilities, and what is known there."""
    training = problem.training
    if training.moving_time is not None:
        t, p = np.array([float(training.moving_time(0.0))]), np.ones(1)
    elif training.times is not None:
        t = np.asarray(training.times, dtype=np.float64)
        p = np.full(len(t), 1.0 / len(t))
        if isinstance(training.time_probabilities, np.ndarray):
            p = training.time_probabilities
    else:
        x, w = np.polynomial.legendre.leggauss(int(training.quadrature or 1))
        t, p = (x + 1) / 2, w / 2
    gains = _gains(problem, t)
    plain = training.weights is None and training.time_probabilities is None and training.moving_time is None
    if training.times is not None and plain:
        # The same time twice is one time of twice the weight.
        t, index = np.unique(t, return_inverse=True)
        p, gains = np.bincount(index) / len(index), np.ones(len(t))
    rows = _rows(problem, t)
    alpha, beta, *clock = rows["clock"]
    return {
        "alpha": alpha, "beta": beta, "clock": np.stack(clock), "y0": rows["target"][0], "y1": rows["target"][1],
        "skips": rows["skips"], "time_weights": p, "gains": gains,
        "moving": _Moving(problem) if training.moving_time or training.moving_weights else None,
        "probabilities": _Probabilities(problem) if training.moving_probabilities else None,
    }  # fmt: skip


def optimiser_of(problem: Problem) -> Optimiser:
    """Momentum and averages, or a declared linear map, in numbers and functions of τ."""
    training, momentum = problem.training, problem.training.moved_by
    declared = problem.declared_optimiser
    return Optimiser(
        momentum=momentum.fixed,
        heavy_ball=None if momentum.friction is None else (momentum.friction, momentum.gain),
        linear_map=None
        if declared is None
        else tuple(
            [[_Entry(x) if x.free_symbols else float(x) for x in row] for row in matrix.tolist()] for matrix in declared
        ),
        averages=tuple(_Power(a.power or 0.0) if a.gamma is None else a.gamma for a in training.averages),
    )


@dataclass(frozen=True)
class _Power:
    """γ(τ) = (1 + k)/τ."""

    power: float

    @property
    def text(self) -> str:
        """What says which function this is."""
        return f"power {self.power}"

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray((1.0 + self.power) / tau)


def sgd_problem(problem: Problem, *, dimension: int | None = None, data: Source | None = None) -> SgdProblem:
    """The experiment as an `SgdProblem`: what one training in R^d is told.

    The initial weights have exactly the initial overlaps of the experiment; with ``init.realisation`` they are one drawn
    matrix, the same in every run. ``data`` are samples to train on (array (n, d), name or path); the target must have been
    measured on samples, so that atoms and reference directions are those of its eigenbasis.
    """
    if data is not None:
        if not isinstance(problem.target, EmpiricalMixture):
            raise InputError(
                "data: the target must be made from samples (GaussianMixture.from_samples, or target.samples in a file), so"
                " that theory and experiment have the same atoms and reference directions"
            )
        labels = _labels_of(problem.target, data) if problem.denoiser.labelled else None
        data, dimension = problem.target.coordinates(data), problem.target.dimension
    else:
        labels = None
    target, training, denoiser = problem.target, problem.training, problem.denoiser
    forward = forward_of(problem)
    d = problem.simulation.dimension if dimension is None else integer("dimension", dimension, at_least=2)
    start: dict[str, Any]
    if denoiser.init.realisation is not None:
        start = {"initial": problem.realised_weights(d)}
    else:
        theta, q = problem.initial_overlaps()
        start = {"theta": theta, "q": q}
        if isinstance(target, EmpiricalMixture) and d == target.dimension:
            start["frame"] = target.references, target.counts
    rho, rho_b = denoiser.rates(training.rates or {})
    return SgdProblem(
        denoiser=forward,
        dimension=d,
        centroids=np.ascontiguousarray(target.centroids),
        learning_rate=training.learning_rate,
        tau=training.tau,
        weights=target.weights,
        eigenvalues=target.cluster_eigenvalues,
        masses=np.ascontiguousarray(target.masses),
        reference_overlaps=target.reference_overlaps,
        labels=target.cluster_labels if denoiser.labelled else None,
        label_dropout=training.label_dropout if denoiser.labelled else 0.0,
        rates=rho,
        rate_b=rho_b,
        schedule=None
        if training.schedule is None
        else _Schedule(training.schedule, training.tau, 2 * training.learning_rate / d),
        b=denoiser.start if denoiser.has_skip else 0.0,
        parameters=denoiser.parameters,
        batch=training.batch,
        average=training.average,
        dtype="float32" if problem.simulation.precision == "single" else "float64",
        data=data,
        data_labels=labels,
        **times_of(problem),
        weight_decay=training.weight_decay if training.moving_decay is None else _Decay(training),
        optimiser=optimiser_of(problem),
        **start,
    )


def drawn_start(setup: SgdProblem, problem: Problem, initial: str) -> SgdProblem:
    """The same training where every run draws the random part of its weights anew (``initial = "drawn"``; else as it is)."""
    init = problem.denoiser.init
    if initial == "exact":
        return setup
    if initial != "drawn":
        raise InputError(f"initial = {initial!r}: must be exact or drawn")
    if init.Theta is not None or init.realisation is not None:
        raise InputError("initial: a drawn start needs denoiser.init given by centroids and random")
    return replace(setup, theta=None, q=None, initial=None, start=(problem.mean_coordinates(), init.random))


def _labels_of(target: EmpiricalMixture, data: Source) -> np.ndarray:
    """The label of every sample, numbered as the target's clusters are."""
    _, labels = load_samples(data)
    known = np.asarray(target.labels)
    if labels is None or not np.all(np.isin(labels, known)):
        raise InputError(
            "data: must come with labels that the target has, for a network that is told them (a file with data and labels)"
        )
    return np.asarray(np.searchsorted(known, labels), dtype=np.int64)
