"""The table of the online training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.input import expressions
from ...common.input.checks import InputError, array, choice, fail, integer, number
from ...common.input.notation import Notation
from ...common.input.settings import Settings
from .rate_schedule import RateSchedule, rate_schedule


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
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "learning_rate": Notation("η", ("eta", "lr", "step_size")),
        "weight_decay": Notation("λ", ("lambda", "lam", "wd", "l2")),
        "tau": Notation("τ", ("tau_max", "time_horizon"), "2η × steps / d"),
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
            kind = "missing" if self.times is None else ""
            message = f"{self.key('times')}: give either times or quadrature (and not both)"
            raise InputError(message, key=self.key("times"), kind=kind)
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
