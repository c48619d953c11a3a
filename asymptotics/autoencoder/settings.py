"""The other tables of an auto-encoder experiment: training, sampling, simulation; and the whole problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..common import expressions
from ..common.checks import InputError, array, choice, fail, integer, number
from ..common.interpolants import Interpolant
from ..common.settings import Settings
from .denoiser import Denoiser
from .drifts import declared
from .generations_settings import Generations
from .rate_schedule import RateSchedule, rate_schedule
from .target import GaussianMixture


@dataclass(frozen=True)
class Training(Settings):
    """Online SGD: Δw = −η(∇_w loss + (λ/d) w), Δb = −(η/d²) ∂_b loss, τ = 2ηn/d.

    Parameters
    ----------
    times : list of float
        The times t ∈ [0, 1] that E_t averages over; or
    quadrature : int
        that many Gauss–Legendre times, for E_t over all of [0, 1].
    learning_rate, weight_decay : float
        η > 0, λ ≥ 0.
    tau : float
        Training time reached.
    average : {"times", "random"}
        One sample at all times (the paper's), or one random time a step.
    batch : int
        Fresh samples a step (their gradients averaged).
    schedule : str
        Factor s(τ) on all learning rates, an expression in tau.
    rates : dict
        Factor on the learning rate of a vector, a group ("u", "v", "w") or "b".
    """

    table = "training"

    learning_rate: float
    tau: float
    times: Any = None
    quadrature: int | None = None
    weight_decay: float = 0.0
    average: str = "times"
    batch: int = 1
    schedule: Any = None
    rates: Any = None

    def __post_init__(self) -> None:
        if (self.times is None) == (self.quadrature is None):
            raise InputError(f"{self.key('times')}: give either times or quadrature (and not both)")
        if self.times is not None:
            times = array(
                self.key("times"), np.atleast_1d(self.times) if np.isscalar(self.times) else self.times, ndim=1
            )
            if times.size == 0 or np.any(times < 0) or np.any(times > 1):
                fail(self.key("times"), self.times, "at least one number, all in [0, 1]")
            self.set(times=times)
        else:
            self.set(quadrature=integer(self.key("quadrature"), self.quadrature, at_least=1, at_most=512))
        self.set(
            learning_rate=number(self.key("learning_rate"), self.learning_rate, above=0),
            weight_decay=number(self.key("weight_decay"), self.weight_decay, at_least=0),
            tau=number(self.key("tau"), self.tau, above=0),
            average=choice(self.key("average"), self.average, ("times", "random")),
            batch=integer(self.key("batch"), self.batch, at_least=1),
        )
        if self.schedule is not None:
            expressions.check(self.schedule, ["tau"], self.key("schedule"))
        if self.rates is not None:
            if not isinstance(self.rates, Mapping):
                fail(self.key("rates"), self.rates, "a table of factors by vector, group or b")
            self.set(rates={k: number(f"{self.key('rates')}.{k}", v, at_least=0) for k, v in self.rates.items()})

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """``(times, weights)`` of E_t."""
        if self.times is not None:
            times, index = np.unique(self.times, return_inverse=True)
            return times, np.bincount(index) / len(index)
        x, w = np.polynomial.legendre.leggauss(int(self.quadrature or 1))
        return (x + 1) / 2, w / 2

    @property
    def shares_samples(self) -> bool:
        """Whether one sample serves several times at once (N then couples pairs of times)."""
        return self.average == "times" and len(self.nodes()[0]) > 1

    def rate_schedule(self) -> RateSchedule | None:
        """s(τ) as a function that knows its own structure, or None for the constant 1."""
        return None if self.schedule is None else rate_schedule(self.schedule, self.tau, self.key("schedule"))


@dataclass(frozen=True)
class Sampling(Settings):
    """The generative SDE and how it is stepped.

    Parameters
    ----------
    epsilon : str or float
        ε_t ≥ 0, an expression in t (and alpha, beta: the schedule's values at t).
    scheme : {"euler", "continuous"}
        Euler–Maruyama with ``step``, as an experiment runs it, or the continuous-time limit.
    step : float
        Step of the Euler scheme (the last one is shortened to end at ``stop``).
    stop : float
        t_f, the last time reached, in (start, 1).
    start : float
        Time at which X starts as N(0, I). A noise prediction says nothing at t = 0, where β = 0: it has to start later.
    drift : str
        Another sampler: the drift of dX = drift dt + √(2ε) dW, linear in the sample ``x``, the network's output ``f`` and what
        they say of ``noise``, ``data``, ``velocity`` and ``score``; with t, epsilon, alpha, beta, alpha_dot and beta_dot. Left
        out: ``velocity + epsilon*score``. `derivations.sampling` derives what follows from it.
    """

    table = "sampling"

    epsilon: Any = "0"
    scheme: str = "euler"
    step: float = 0.01
    stop: float = 0.99
    start: float = 0.0
    drift: Any = None

    def __post_init__(self) -> None:
        if self.drift is not None:
            declared(self.drift)
            self.set(drift=str(self.drift))
        expressions.check(self.epsilon, ["t", "alpha", "beta"], self.key("epsilon"))
        self.set(
            epsilon=str(self.epsilon),
            scheme=choice(self.key("scheme"), self.scheme, ("euler", "continuous")),
            step=number(self.key("step"), self.step, above=0, at_most=1),
            stop=number(self.key("stop"), self.stop, above=0, below=1),
            start=number(self.key("start"), self.start, at_least=0, below=1),
        )
        if self.start >= self.stop:
            fail(self.key("start"), self.start, f"< {self.key('stop')} = {self.stop:g}")

    def grid(self) -> np.ndarray:
        """Times start = t_0 < … < t_n = stop of the Euler scheme."""
        n = int(np.floor((self.stop - self.start) / self.step + 1e-9))
        t = self.start + self.step * np.arange(n + 1)
        return t if self.stop - t[-1] < 1e-9 * self.step else np.append(t, self.stop)

    def epsilon_function(self, interpolant: Interpolant) -> Any:
        """ε as a vectorised function of t; negative values are an error."""
        if self.epsilon.strip() in ("0", "0.0"):
            return lambda t: np.zeros_like(np.asarray(t, dtype=np.float64))
        expression = expressions.to_sympy(self.epsilon, ["t", "alpha", "beta"], self.key("epsilon"))
        raw = expressions.to_function(expression, ["t", "alpha", "beta"])

        def epsilon(t: Any) -> np.ndarray:
            values = raw(t, interpolant.alpha(t), interpolant.beta(t))
            if np.any(values < 0) or not np.all(np.isfinite(values)):
                fail(self.key("epsilon"), self.epsilon, ">= 0 and finite on [0, stop]")
            return values

        epsilon(np.linspace(self.start, self.stop, 101))
        return epsilon


@dataclass(frozen=True)
class Simulation(Settings):
    """The full d-dimensional experiment.

    Parameters
    ----------
    dimension, runs, samples, seed : int
        d; independent trainings; points generated from each trained network; root of all randomness.
    precision : {"single", "double"}
        Of the weights during SGD (inner products are always accumulated in double).
    """

    table = "simulation"

    dimension: int = 1000
    runs: int = 8
    samples: int = 2000
    seed: int = 0
    precision: str = "single"

    def __post_init__(self) -> None:
        self.set(
            dimension=integer(self.key("dimension"), self.dimension, at_least=2),
            runs=integer(self.key("runs"), self.runs, at_least=1),
            samples=integer(self.key("samples"), self.samples, at_least=1),
            seed=integer(self.key("seed"), self.seed, at_least=0),
            precision=choice(self.key("precision"), self.precision, ("single", "double")),
        )


@dataclass(frozen=True)
class Problem:
    """A whole auto-encoder experiment: what `solve` and `simulate` take."""

    target: GaussianMixture
    interpolant: Interpolant
    denoiser: Denoiser
    training: Training
    sampling: Sampling
    simulation: Simulation
    generations: Generations = field(default_factory=Generations)

    def to_tables(self) -> dict[str, Any]:
        """The experiment's tables as plain values (a derived system is left out; its name stays)."""
        from ..common.results import to_builtin

        tables = {name: dict(getattr(self, name).to_table()) for name in TABLES}
        tables["denoiser"]["init"] = self.denoiser.init.to_table()
        tables["denoiser"].pop("system", None)
        return dict(to_builtin(tables))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Problem:
        """Inverse of `to_tables`."""
        return build({name: kind.from_table(dict(tables.get(name, {}))) for name, kind in TABLES.items()})


TABLES: dict[str, Any] = {
    "target": GaussianMixture,
    "interpolant": Interpolant,
    "denoiser": Denoiser,
    "training": Training,
    "sampling": Sampling,
    "simulation": Simulation,
    "generations": Generations,
}


def build(tables: Mapping[str, Any]) -> Problem:
    """The problem of checked settings, after the checks that need several tables."""
    problem = Problem(**tables)
    denoiser, training = problem.denoiser, problem.training
    allowed = [*denoiser.vectors, *sorted({v.split("_")[0] for v in denoiser.vectors}), "b"]
    for name in training.rates or {}:
        if name not in allowed:
            raise InputError(f"training.rates.{name}: unknown; allowed are {', '.join(allowed)}")
        denoiser.unambiguous("training.rates", name)
    if denoiser.init.Theta is not None:
        from .initial import initial_overlaps

        initial_overlaps(problem)
    training.rate_schedule()
    problem.sampling.epsilon_function(problem.interpolant)
    return problem
