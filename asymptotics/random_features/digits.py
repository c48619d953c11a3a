"""Networks on MNIST digits against the theory with the digits' covariance: how far real data are from the Gaussian theory."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import numpy as np

from ..common.input.checks import fail, present
from ..common.numerics.laws.spectra import load_spectrum, mnist_digits
from ..common.output.ensemble import PerRun
from ..common.output.results import Result
from ..common.running.ensembles import Resources, rows_of_runs, spawn
from .activations import Activation, activation
from .problem import OfProblem, Problem
from .process.network import Features, Trained, averaged_features
from .settings import RandomFeatures, Simulation
from .theory import Solution, solve

#: Digits held out for the test loss, at most.
HELD_OUT = 3000
#: Samples averaged at a time (memory).
CHUNK = 500


@dataclass(frozen=True)
class DigitsComparison(OfProblem, PerRun, Result):
    """Train and test loss on digits along training time, with the theory of Gaussian data of their covariance.

    Parameters
    ----------
    samples, features, runs : int
        n, p; draws of the weights and of the digits.
    times : ndarray
        τ of gradient flow.
    theory_train, theory_test : ndarray, shape (times,)
        Losses of the theory.
    train, test : ndarray, shape (runs, times)
        Losses on the digits; in JSON their means.
    experiment : dict
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {"settings": "", "*": ""}
    COLUMNS = ("times", "theory_train", "theory_test")

    samples: int
    features: int
    runs: int
    times: np.ndarray
    theory_train: np.ndarray
    theory_test: np.ndarray
    train: np.ndarray
    test: np.ndarray
    experiment: dict[str, Any]
    seconds: float

    def gap(self) -> tuple[np.ndarray, np.ndarray]:
        """Digits minus theory, train and test, relative to the theory, shape (times,) each."""
        return self.mean("train") / self.theory_train - 1, self.mean("test") / self.theory_test - 1

    def to_json(self) -> dict[str, Any]:
        train, test = self.gap()
        content = {name: value for name, value in self._kept().items() if name not in ("train", "test", "experiment")}
        content |= {
            "settings": self.experiment,
            **{name: self.mean(name) for name in ("train", "test")},
            **{f"{name}_sem": self.sem(name) for name in ("train", "test")},
            "relative_gap_train": train,
            "relative_gap_test": test,
        }
        return content

    def summary(self) -> str:
        lines = [
            f"random features on MNIST digits: {self.samples} digits, {self.features} features, {self.runs} runs",
            f"  {'tau':>10} {'train':>10} {'theory':>10} {'test':>10} {'theory':>10}",
        ]
        columns = (self.times, self.mean("train"), self.theory_train, self.mean("test"), self.theory_test)
        for row in zip(*columns, strict=True):
            lines.append(f"  {row[0]:>z10.4g} " + " ".join(f"{v:>z10.5f}" for v in row[1:]))
        train, test = self.gap()
        return "\n".join([*lines, f"  largest gap: train {np.abs(train).max():.1%}, test {np.abs(test).max():.1%}"])


def compare_digits(
    settings: RandomFeatures, simulation: Simulation, **resources: Unpack[Resources]
) -> DigitsComparison:
    """Train on digits (centred, scaled to the trace of the settings' spectrum) and measure the losses on others.

    Parameters
    ----------
    settings : RandomFeatures
        With ``spectrum = "mnist"`` and the noise averaged exactly; ``trace`` sets the scale.
    simulation : Simulation
        Runs and seed.
    **resources
        ``workers``, ``progress`` and ``checkpoint``, as in `simulation.simulate`.
    """
    started = clock.perf_counter()
    if settings.spectrum != "mnist":
        fail(settings.key("spectrum"), settings.spectrum, '"mnist" for a comparison with digits')
    if settings.per_noise > 0:
        fail(settings.key("noises"), settings.noises, '"all" for a comparison with digits')
    spectrum = load_spectrum("mnist")
    problem = Problem(settings, simulation.replace(dimension=spectrum.dimension))
    p, n, _ = problem.counts(spectrum.dimension)
    images, _ = mnist_digits()
    most = len(images) - 500
    if n > most:
        fail(
            settings.key("samples"),
            settings.samples,
            f"at most {most / spectrum.dimension:.4g} for the digits there are",
        )
    theory: Solution = solve(problem)
    found = rows_of_runs(
        _one_run, spawn(simulation.seed, simulation.runs), problem, description="digits", **resources,
    )  # fmt: skip
    return DigitsComparison(
        n,
        p,
        simulation.runs,
        theory.times,
        theory.train_loss,
        theory.test_loss,
        found[:, 0],
        found[:, 1],
        Problem(settings, simulation).to_tables(),
        clock.perf_counter() - started,
    )


def _one_run(seed: np.random.SeedSequence, problem: Problem) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table, spectrum = problem.random_features, load_spectrum("mnist")
    d = spectrum.dimension
    p, n, _ = problem.counts(d)
    images, _ = mnist_digits()
    mean = present(spectrum.mean, "mean of the digits")
    scale = 1.0 if table.trace is None else np.sqrt(table.trace / spectrum.trace)
    order = rng.permutation(len(images))[: n + HELD_OUT]
    data = scale * (images[order] - mean).T
    weights = rng.standard_normal((p, d)) / np.sqrt(d)
    function = activation(table.activation)
    train = _averaged(weights, data[:, :n], table.diffusion_time, function)
    test = _averaged(weights, data[:, n:], table.diffusion_time, function)
    trained = Trained(train, test)
    times = np.asarray(table.times, dtype=float)
    filters = trained.flow_filter(times, table.weight_decay)
    losses = trained.losses(filters)
    if table.initial_variance > 0:
        start = np.sqrt(table.start / p) * rng.standard_normal((d, p))
        losses += trained.started(filters, trained.fading(times, table.weight_decay), start)
    return losses


def _averaged(weights: np.ndarray, data: np.ndarray, time: float, function: Activation) -> Features:
    """`averaged_features` of many samples, some at a time."""
    count = data.shape[1]
    u, v = 0.0, 0.0
    for start in range(0, count, CHUNK):
        part = averaged_features(weights, data[:, start : start + CHUNK], time, function)
        share = min(CHUNK, count - start) / count
        u, v = u + share * part.u, v + share * part.v
    return Features(np.asarray(u), np.asarray(v))
