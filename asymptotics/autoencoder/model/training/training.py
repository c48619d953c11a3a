"""The table of the online training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from ....common.input import expressions
from ....common.input.checks import InputError, array, choice, fail, integer, number
from ....common.input.notation import Notation
from ....common.input.settings import Count, Positive, Settings, Share
from ....common.numerics.interpolants import Interpolant
from ..functions.of_time import OfTau, OfTime, constant
from ..functions.rate_schedule import RateSchedule, rate_schedule
from ..functions.table import frozen, is_table
from .optimiser import Average, Momentum, averages_of, refuse_adaptive
from .time_average import TimeAverage, checked_probabilities, checked_weights


@dataclass(frozen=True)
class Training(Settings):
    """Online SGD: Δw = −η(∇_w loss + (λ/d) w), Δb = −(η/d²) ∂_b loss, τ = 2ηn/d.

    Parameters
    ----------
    times : list of float
        The times t ∈ [0, 1] that E_t averages over; or one time along the training, an expression in tau or a table
        ``[["tau", "time"], [0.0, 0.3], [4.0, 0.7]]`` between whose rows it is linear; or
    quadrature : int
        that many Gauss–Legendre times, for E_t over all of [0, 1].
    learning_rate, weight_decay : float
        η > 0, λ ≥ 0 (also an expression in tau, or a table).
    tau : float
        Training time reached.
    average : {"times", "random"}
        One sample at all times (the paper's), or one random time a step.
    batch : int
        Fresh samples a step (their gradients averaged).
    schedule : str
        Factor s(τ) on all learning rates, an expression in tau or a table.
    rates : dict
        Factor on the learning rate of a vector, a group ("u", "v", "w") or "b".
    weights : list of float, or str
        Weights of the loss: a list w_i in the order of ``times``, E_t f = Σ_i w_i f(t_i) in place of 1/T; or an expression w(t)
        that multiplies the weights of the times; or a table of the w_i along τ.
    time_probabilities : list of float
        With ``average = "random"``: p_i in the order of ``times`` (default 1/T), or a table of them along τ. A gradient is
        multiplied by w_i.
    label_dropout : float
        Probability p₀ that a sample's label is dropped.
    ema : float, dict or list
        Averages of the weights: γ per τ, {power = k} for γ = (1 + k)/τ, or several.
    momentum : float or dict
        Fixed β_m in [0, 1); or {friction = g, gain = k} of order 1/d, for the vectors alone.
    optimiser : derivations.Optimiser
        R and A in place of SGD's (Python only).
    """

    table = "training"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "learning_rate": Notation("η", ("eta", "lr", "step_size")),
        "weight_decay": Notation("λ", ("lambda", "lam", "wd", "l2")),
        "tau": Notation("τ", ("tau_max", "taumax", "time_horizon"), "2η × steps / d"),
        "times": Notation("t", ("t", "time"), "noise at 0, data at 1"),
        "quadrature": Notation("", ("n_times",), "times"),
        "batch": Notation("", ("batch_size",), "fresh samples a step"),
        "schedule": Notation("s(τ)", ("lr_schedule",), "factor on η"),
        "rates": Notation("ρ", ("rho",), "factor on η"),
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "epochs": "every sample is seen once; training ends at tau = 2 eta n/d",
        "steps": "write tau = 2 eta steps/d",
        "n": "write tau = 2 eta n/d",
        "samples": "write tau = 2 eta n/d",
    }

    learning_rate: Positive
    tau: Positive
    times: Any = None
    quadrature: Annotated[int, partial(integer, at_least=1, at_most=512)] | None = None
    weight_decay: Any = 0.0
    average: Annotated[str, partial(choice, options=("times", "random"))] = "times"
    batch: Count = 1
    schedule: Any = None
    rates: Any = None
    weights: Any = None
    time_probabilities: Any = None
    label_dropout: Share = 0.0
    ema: Any = None
    momentum: Any = None
    optimiser: Any = None

    def __post_init__(self) -> None:
        if (self.times is None) == (self.quadrature is None):
            kind = "missing" if self.times is None else ""
            message = f"{self.key('times')}: give either times or quadrature (and not both)"
            raise InputError(message, key=self.key("times"), kind=kind)
        super().__post_init__()
        self._check_times()
        self._check_decay()
        self._check_weights()
        if is_table(self.schedule):
            self._freeze("schedule")
        elif self.schedule is not None:
            expressions.check(self.schedule, ["tau"], self.key("schedule"))
        if self.rates is not None:
            if not isinstance(self.rates, Mapping):
                fail(self.key("rates"), self.rates, "a table of factors by vector, group or b")
            self.set(rates={k: number(f"{self.key('rates')}.{k}", v, at_least=0) for k, v in self.rates.items()})
        _ = self.averages, self.moved_by
        self._check_optimiser()

    def _check_times(self) -> None:
        if self.times is None:
            return
        if isinstance(self.times, str) or is_table(self.times):
            self._freeze("times")
            OfTau(self.times, self.key("times"), self.tau).within(0.0, 1.0)
            return
        times = array(self.key("times"), np.atleast_1d(self.times) if np.isscalar(self.times) else self.times, ndim=1)
        if times.size == 0 or np.any(times < 0) or np.any(times > 1):
            fail(self.key("times"), self.times, "at least one number, all in [0, 1]")
        self.set(times=times)

    def _freeze(self, name: str) -> None:
        """A table as what can be kept by its value."""
        value = getattr(self, name)
        self.set(**{name: frozen(value) if is_table(value) else value})

    def _check_decay(self) -> None:
        if is_table(self.weight_decay):
            self._freeze("weight_decay")
            OfTau(self.weight_decay, self.key("weight_decay"), self.tau).within(0.0, np.inf)
            return
        value = constant(self.weight_decay) if isinstance(self.weight_decay, str) else self.weight_decay
        if isinstance(value, (int, float)) or value is not None:
            self.set(weight_decay=number(self.key("weight_decay"), value, at_least=0))
        else:
            OfTau(self.weight_decay, self.key("weight_decay"), self.tau).within(0.0, np.inf)

    @property
    def _count(self) -> int | None:
        """Number of times as they are given; None of a quadrature."""
        if self.times is None:
            return None
        return len(self.times) if isinstance(self.times, np.ndarray) else 1

    def _check_weights(self) -> None:
        weights = checked_weights(self.weights, self._count, self.tau)
        p = checked_probabilities(self.time_probabilities, self._count, self.tau, self.average)
        self.set(weights=weights, time_probabilities=p)

    def _check_optimiser(self) -> None:
        if self.optimiser == "sgd":
            self.set(optimiser=None)
        if self.optimiser is None:
            return
        key = self.key("optimiser")
        refuse_adaptive(key, self.optimiser)
        if not hasattr(self.optimiser, "matrices"):
            fail(key, self.optimiser, "a derivations.Optimiser (left out: SGD)")
        if self.momentum is not None:
            raise InputError(f"{self.key('momentum')}: must be left out where {key} is given")
        if self.weight_decay != 0:
            fail(
                self.key("weight_decay"),
                self.weight_decay,
                f"0 where {key} is given, whose linear part holds it (-lambda/2)",
            )

    # along the training ----------------------------------------------------------------------------------------

    @property
    def averages(self) -> tuple[Average, ...]:
        """The averages of the weights that are followed."""
        return averages_of(self.key("ema"), self.ema)

    @property
    def moved_by(self) -> Momentum:
        """The momentum, none by default."""
        return Momentum.of(self.key("momentum"), self.momentum)

    @property
    def moving_time(self) -> OfTau | None:
        """The one time as a function of τ, where it moves."""
        if self.times is None or isinstance(self.times, np.ndarray):
            return None
        return OfTau(self.times, self.key("times"), self.tau)

    @property
    def moving_decay(self) -> OfTau | None:
        """λ as a function of τ, where it moves."""
        if isinstance(self.weight_decay, float):
            return None
        return OfTau(self.weight_decay, self.key("weight_decay"), self.tau)

    @property
    def moving_weights(self) -> OfTau | None:
        """The w_i as a function of τ, where they move."""
        if not is_table(self.weights):
            return None
        return OfTau(self.weights, self.key("weights"), self.tau, int(self._count or 1))

    @property
    def moving_probabilities(self) -> OfTau | None:
        """The p_i as a function of τ, where they move."""
        if not is_table(self.time_probabilities):
            return None
        return OfTau(self.time_probabilities, self.key("time_probabilities"), self.tau, int(self._count or 1))

    @property
    def moving(self) -> tuple[OfTau, ...]:
        """What moves along τ beside the learning rate."""
        found = self.moving_time, self.moving_decay, self.moving_weights, self.moving_probabilities
        return tuple(f for f in found if f is not None)

    def recorded(self, tau: Any, count: int = 9) -> np.ndarray:
        """Training times to record: those asked for, or so many equally spaced ones from 0 to the end."""
        taus = np.linspace(0.0, self.tau, count) if tau is None else array("tau", tau, ndim=1)
        if np.any(taus < 0) or np.any(taus > self.tau * (1 + 1e-12)):
            fail("tau", taus, f"in [0, training.tau] = [0, {self.tau:g}]")
        return taus

    def pieces(self) -> np.ndarray:
        """Ends of pieces of [0, τ] that no step of an integrator should cross."""
        schedule = self.rate_schedule()
        ends = [f.pieces for f in self.moving]
        if schedule is not None:
            ends.append(schedule.pieces)
        return np.unique(np.concatenate([[0.0, self.tau], *ends])) if ends else np.array([0.0, self.tau])

    def time_average(self, interpolant: Interpolant, tau: float = 0.0) -> TimeAverage:
        """E_t at the training time τ: probabilities of the times, and weights of the loss.

        Raises
        ------
        InputError
            If a weight is not finite and ≥ 0 at a time.
        """
        moving = self.moving_time
        if moving is not None:
            times, p = np.array([float(moving(tau))]), np.ones(1)
        elif self.times is not None:
            times, p = self.times, np.full(len(self.times), 1.0 / len(self.times))
        else:
            x, w = np.polynomial.legendre.leggauss(int(self.quadrature or 1))
            times, p = (x + 1) / 2, w / 2
        moving_p, moving_w = self.moving_probabilities, self.moving_weights
        if self.time_probabilities is not None:
            p = self.time_probabilities if moving_p is None else np.atleast_1d(moving_p(tau))
        w = np.ones(len(times))
        if isinstance(self.weights, str):
            w = OfTime(self.weights, self.key("weights"))(interpolant, times)
            if not np.all(np.isfinite(w) & (w >= 0)):
                bad = float(times[~(np.isfinite(w) & (w >= 0))][0])
                fail(
                    self.key("weights"),
                    self.weights,
                    f"finite and >= 0 at the training times (it is not at t = {bad:g})",
                )
        elif self.weights is not None:
            w = self.weights if moving_w is None else np.atleast_1d(moving_w(tau))
            if self.average == "times":
                p = np.ones(len(times))
        return TimeAverage.of(times, p, w, shared=self.average == "times")

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """``(times, weights)`` of E_t, where they need no more than this table; see `time_average`."""
        if isinstance(self.weights, str):
            raise InputError(
                f"{self.key('weights')}: is a function of the schedule; Problem.time_average gives its values"
            )
        average = self.time_average(Interpolant())
        return average.times, average.first

    @property
    def shares_samples(self) -> bool:
        """Whether one sample serves several times at once (N then couples pairs of times)."""
        if self.average != "times":
            return False
        if self.times is None:
            return int(self.quadrature or 1) > 1
        return isinstance(self.times, np.ndarray) and len(set(self.times.tolist())) > 1

    def rate_schedule(self) -> RateSchedule | None:
        """s(τ) as a function that knows its own structure, or None for the constant 1."""
        return None if self.schedule is None else rate_schedule(self.schedule, self.tau, self.key("schedule"))
