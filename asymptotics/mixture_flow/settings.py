"""Tables of an experiment file that belong to the binary-mixture flow: ``[mixture_flow]`` and ``[simulation]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np

from ..common.input.checks import array, choice, fail, integer
from ..common.input.notation import Notation
from ..common.input.settings import Count, Flag, Natural, NonNegative, Positive, Settings

#: Explicit schemes of the transport, by name.
SCHEMES = ("euler", "midpoint", "heun", "rk4")
#: What the steps of the transport are uniform in.
CLOCKS = ("angle", "time")


@dataclass(frozen=True)
class MixtureFlow(Settings):
    r"""A balanced mixture of two Gaussians, learned from n samples by f(x) = b x + v sign(v·x).

    The samples are x₁^μ = s^μ μ + σ z^μ with s^μ = ±1 and ‖μ‖² = m² d; at every time t the denoiser minimises

    .. math:: \sum_\mu \|f(\alpha_t x_0^\mu + \beta_t x_1^\mu) - x_1^\mu\|^2 + \lambda \|v\|^2 ,\qquad v = w/\sqrt d .

    Parameters
    ----------
    samples : int
        n ≥ 2 (a single sample leaves the sign of its field undetermined).
    cluster_std : float
        σ ≥ 0, standard deviation of a cluster in every direction.
    ridge : float
        λ ≥ 0, the penalty of ‖v‖² = ‖w‖²/d.
    centroid_norm : float
        m > 0, ‖μ‖ = m √d.
    noises : int
        K ≥ 1, number of fixed noises x₀^{μk} for each sample.
    fresh_noise : bool
        Draw new noises at every step of the transport (continuous-time limit in the theory).
    skip : bool
        Whether the skip connection is learned; without it b = 0.

    Raises
    ------
    InputError
        If a value is outside these ranges.
    """

    samples: Annotated[int, partial(integer, at_least=2)]
    cluster_std: NonNegative
    ridge: NonNegative
    centroid_norm: Positive = 1.0
    noises: Count = 1
    fresh_noise: Flag = False
    skip: Flag = True

    table: ClassVar[str] = "mixture_flow"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "samples": Notation("n", ("n", "n_samples"), "data points"),
        "cluster_std": Notation("σ", ("sigma", "std"), "standard deviation a direction"),
        "ridge": Notation("λ", ("lambda", "lam", "weight_decay", "l2")),
        "centroid_norm": Notation("m", ("m", "mu", "mu_norm"), "‖μ‖/√d"),
        "noises": Notation("K", ("K",), "noises a sample"),
    }


@dataclass(frozen=True)
class Simulation(Settings):
    """The full process in R^d.

    Parameters
    ----------
    dimension : int
        d.
    runs : int
        Independent training sets.
    samples : int
        Generated points for each training set.
    steps : int
        Steps of the transport from t = 0 to t = 1.
    scheme : str
        One of `SCHEMES`.
    clock : str
        ``"time"``: steps uniform in t. ``"angle"``: steps uniform in arctan(β/α), where the flow is smooth up to t = 1
        for every interpolant.
    times : sequence of float, optional
        Times in [0, 1] at which the order parameters are measured; default 0, 0.1, …, 1.
    seed : int
        Seed of the whole ensemble.

    Raises
    ------
    InputError
        If a value is outside its range.
    """

    dimension: Annotated[int, partial(integer, at_least=8)] = 2000
    runs: Count = 8
    samples: Annotated[int, partial(integer, at_least=2)] = 500
    steps: Count = 100
    scheme: Annotated[str, partial(choice, options=SCHEMES)] = "rk4"
    clock: Annotated[str, partial(choice, options=CLOCKS)] = "angle"
    times: np.ndarray | None = None
    seed: Natural = 0

    table: ClassVar[str] = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "samples": Notation("", ("n_samples",), "generated points a run"),
        "times": Notation("t", ("t",), "noise at 0, data at 1"),
        "steps": Notation("", ("n_steps",), "steps of the transport"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.times is not None:
            self.set(times=checked_times(self.key("times"), self.times))

    @property
    def measured(self) -> np.ndarray:
        """Times at which the order parameters are measured, shape (T,)."""
        return np.linspace(0.0, 1.0, 11) if self.times is None else self.times


def checked_times(name: str, times: object) -> np.ndarray:
    """``times`` as a float64 array of shape (T,) with every entry in [0, 1], or an `InputError` naming it."""
    t = np.atleast_1d(array(name, times))
    if t.ndim != 1 or t.size == 0 or not np.all((t >= 0) & (t <= 1)):
        fail(name, times, "a non-empty list of numbers in [0, 1]")
    return t
