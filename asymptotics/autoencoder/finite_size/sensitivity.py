"""How the order parameters answer to a small relative change of every input, by the linear response along the path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError
from ...common.numerics.flows.panels import panel_of
from ..equations.derivative.drift import Drift
from ..equations.integration.integrate import initial_state, kernels_of
from ..equations.training_path.path import TrainingPath
from ..model.data.target import GaussianMixture
from ..model.problem import Problem
from .covariances import Fluctuations
from .fluctuations import fluctuations

#: Relative change of the finite differences.
STEP = 1e-3


@dataclass(frozen=True)
class Response:
    """d y_τ/d ln(input) of (Θ row by row, upper Q, b, κ), along a path."""

    fluctuations: Fluctuations
    source: np.ndarray
    states: np.ndarray

    def __call__(self, tau: float) -> np.ndarray:
        f = self.fluctuations
        k = int(panel_of(f.knots, tau))
        return np.asarray(f.totals() @ f.moved(k, tau, self.states[k], self.source[k]))


def _scaled(values: ArrayLike, factor: float) -> np.ndarray:
    return np.asarray(np.asarray(values, dtype=np.float64) * factor)


def _shifted(weights: np.ndarray, factor: float) -> np.ndarray:
    """The largest of some weights changed, the others in proportion."""
    out, k = np.array(weights), int(np.argmax(weights))
    rest = 1 - out[k]
    out = out * (1 - out[k] * factor) / rest
    out[k] = weights[k] * factor
    return out


def changed(problem: Problem, factor: float) -> Iterator[tuple[str, Callable[[], Problem]]]:
    """(input, the problem with it times a factor) of every real-valued input of training and of the start that is not 0."""

    def of(table: str, **values: Any) -> Callable[[], Problem]:
        return lambda: replace(problem, **{table: getattr(problem, table).replace(**values)})

    training, target, denoiser = problem.training, problem.target, problem.denoiser
    yield "training.learning_rate", of("training", learning_rate=training.learning_rate * factor)
    if training.moving_decay is None and training.weight_decay:
        yield "training.weight_decay", of("training", weight_decay=training.weight_decay * factor)
    if isinstance(training.times, np.ndarray) and np.any(training.times):
        # A time of 1 can only be made smaller: the derivative is the same.
        yield "training.times", of("training", times=training.times * factor)
    # A target measured on samples has no inputs of its own but the samples.
    given = type(target) is GaussianMixture
    if given and np.any(target.centroids):
        yield "target.centroids", of("target", centroids=_scaled(target.centroids, factor))
    if given and target.spectrum is None and np.any(target.eigenvalues):
        yield "target.eigenvalues", of("target", eigenvalues=_scaled(target.eigenvalues, factor))
    if given and target.clusters > 1:
        yield "target.weights", of("target", weights=_shifted(target.weights, factor))
    if given and target.spectrum is None and np.sum(target.masses > 0) > 1:
        yield "target.masses", of("target", masses=_shifted(target.masses, factor))
    if isinstance(training.weights, np.ndarray):
        yield "training.weights", of("training", weights=training.weights * factor)
    if training.label_dropout:
        yield "training.label_dropout", of("training", label_dropout=training.label_dropout * factor)
    if denoiser.has_skip and np.any(denoiser.start):
        yield "denoiser.skip", of("denoiser", skip=_scaled(denoiser.start, factor))
    init = denoiser.init
    if init.Theta is None:
        for name in ("centroids", "random"):
            if getattr(init, name):
                start = init.replace(**{name: getattr(init, name) * factor})
                yield f"denoiser.init.{name}", of("denoiser", init=start)
    else:
        start = init.replace(Theta=_scaled(init.Theta, factor), Q=_scaled(init.Q, factor**2))
        yield "denoiser.init.Theta", of("denoiser", init=start)


def responses(path: TrainingPath) -> dict[str, Response]:
    """The response to every input that the path's experiment has (kept with the path after the first call)."""
    kept = path.__dict__.setdefault("_responses", {})
    if not kept:
        kept.update(_solve(path))
    return dict(kept)


def _solve(path: TrainingPath) -> dict[str, Response]:
    f, problem = fluctuations(path), path.problem
    terms = f.terms(problem)
    kernels = kernels_of(problem)

    def drift(of: Problem) -> Drift:
        return Drift(of, kernels, terms.rule, terms.noise_rule)

    base, found = drift(problem), {}
    panels = len(f.knots) - 1
    taus = np.minimum(f.nodes, path.tau_max)
    states = path.state(taus)
    plain = base.slopes(taus, states)
    # Downwards, because a time of the interpolant may be 1.
    for name, make in changed(problem, 1 - STEP):
        try:
            other = make()
            moved = drift(other)
            start = initial_state(other, moved)
        except InputError:  # the neighbouring input is not allowed, so that nothing can be said about it
            continue
        source = f.by_panels((plain - moved.slopes(taus, states)) / STEP)
        m = np.zeros((panels + 1, f.layout.size))
        m[0] = (initial_state(problem, base) - start) / STEP
        for k in range(panels):
            m[k + 1] = f.moved(k, float(f.knots[k + 1]), m[k], source[k])
        found[name] = Response(f, source, m)
    return found
