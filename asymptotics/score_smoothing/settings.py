"""The tables of an experiment file that are special to this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from ..common.input.checks import choice, integer, number
from ..common.input.notation import Notation
from ..common.input.settings import Count, Natural, Positive, Settings
from .points import MOST_POINTS, checked_points, half_spacing
from .processes import PROCESSES, own_time

LINE_KERNELS = ("box", "box-numerical", "gaussian", "none")
CIRCLE_KERNELS = ("chord", "angular")
CURVES = ("line", "circle")
#: Times below this are lost in rounding (line), or need more panels than memory holds (circle).
SHORTEST = {"line": 1e-100, "circle": 1e-12}
_SHORT = {"ve": "variance-exploding", "ou": "ornstein-uhlenbeck"}


@dataclass(frozen=True)
class ScoreSmoothing(Settings):
    r"""Training points, amount of smoothing and times.

    Parameters
    ----------
    points : int or list of float
        Increasing positions on a line, or an integer n: n uniformly spaced points on [−1, 1] (on the circle: at angles 2πk/n).
    kappa : float
        κ > 0 in δ_t = κ√t, the radius around each point that smoothing leaves alone. Larger κ: less smoothing.
    start_time : float
        t₀: the exact noised law p_{t₀} is where smoothing begins; 0 < t₀ < t_c = (Δ/κ)², with 2Δ the (smallest) spacing.
    end_time : float
        s in [0, t₀]; 0 is the limit t → 0.
    kernel : str
        On the line "box" (the smoothed score; closed form; uniform spacing), "box-numerical" and "gaussian" (averages of the
        piecewise-linear score with half width, or standard deviation, Δ − κ√t; any spacing; end_time > 0), "none" (the exact
        score). On the circle "chord" or "angular". Default "box", or "chord".
    dimension : int
        d of R^d in which the line lies; the normal part is N(0, s I).
    curve : {"line", "circle"}
        What the training points lie on.
    process : {"variance-exploding", "ornstein-uhlenbeck"}
        Also "ve", "ou". Times are those of the process.

    Raises
    ------
    InputError
        If a value is not allowed.
    """

    table: ClassVar[str] = "score_smoothing"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "points": Notation("x_k", ("x", "data"), "position"),
        "kappa": Notation("κ", ()),
        "start_time": Notation("t₀", ("t0", "t_0", "start"), "time"),
        "end_time": Notation("s", ("s", "end", "t_end"), "time"),
        "dimension": Notation("d", ("d", "dim"), "coordinates"),
    }

    points: Any
    kappa: Positive
    start_time: float
    end_time: float = 0.0
    kernel: str | None = None
    dimension: int = 1
    curve: Annotated[str, partial(choice, options=CURVES)] = "line"
    process: str = "variance-exploding"

    def __post_init__(self) -> None:
        super().__post_init__()
        curve = self.curve
        kernels = LINE_KERNELS if curve == "line" else CIRCLE_KERNELS
        kernel = choice(self.key("kernel"), kernels[0] if self.kernel is None else self.kernel, kernels)
        short = self.process if not isinstance(self.process, str) else _SHORT.get(self.process, self.process)
        process = choice(self.key("process"), short, PROCESSES)
        if curve == "line":
            points: Any = checked_points(self.points, uniform=kernel == "box", name=self.key("points")).tolist()
        else:
            choice(self.key("process"), process, PROCESSES[:1])
            points = integer(self.key("points"), self.points, at_least=3, at_most=MOST_POINTS)
        self.set(points=points, kernel=kernel, process=process)
        start = number(self.key("start_time"), self.start_time, above=0.0, at_least=SHORTEST[curve])
        if kernel != "none" and start >= self.critical_time:
            limit = self.critical_time
            number(f"{self.key('start_time')} (critical time {limit:.10g})", start, above=0.0, below=limit)
        lowest: dict[str, float] = {"above": 0.0} if kernel in ("box-numerical", "gaussian") else {"at_least": 0.0}
        end = number(self.key("end_time"), self.end_time, **lowest, at_most=start)
        if kernel == "angular":
            number(f"{self.key('end_time')} (angular kernel: only the limit is exact)", end, at_least=0.0, at_most=0.0)
        # A circle needs its plane, and has no other.
        least, most = (1, 10**9) if curve == "line" else (2, 2)
        dimension = least if self.dimension == 1 else self.dimension
        self.set(start_time=start, end_time=end)
        self.set(dimension=integer(self.key("dimension"), dimension, at_least=least, at_most=most))

    @property
    def critical_time(self) -> float:
        """t_c, where δ_t reaches Δ and smoothing ends (in the time of the process)."""
        if self.curve == "line":
            width = half_spacing(np.asarray(self.points))
        else:
            width = float(np.sin(np.pi / self.points) if self.kernel == "chord" else np.pi / self.points)
        ratio = width / self.kappa
        return own_time(self.process, ratio * ratio)  # a power would raise where this is infinite


@dataclass(frozen=True)
class Simulation(Settings):
    """How particles are simulated.

    Parameters
    ----------
    samples : int
        Particles a run.
    runs : int
        Independent runs (at least two for an error bar).
    steps : int
        Heun steps, uniform in λ = ½ ln t.
    smallest_time : float
        Where a run with end_time = 0 stops.
    seed : int
    """

    table: ClassVar[str] = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "samples": Notation("", ("particles", "n_samples"), "particles a run"),
        "steps": Notation("", ("n_steps",), "Heun steps"),
    }

    samples: Annotated[int, partial(integer, at_least=10)] = 20000
    runs: Annotated[int, partial(integer, at_least=2)] = 8
    steps: Count = 300
    smallest_time: Positive = 1e-8
    seed: Natural = 0
