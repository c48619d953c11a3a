"""The result of an optimisation: the best constant beside the best protocol, what each gains, and both in R^d."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.output.plain import printed
from ....common.output.records import Entries, Recorded
from .basis import DEGREE, Basis


@dataclass(frozen=True)
class Constant(Entries):
    """A locally best constant.

    Attributes
    ----------
    value : float
        𝒥.
    control : number or list
        As in an experiment file; by key where there are several.
    others : list of Constant, optional
        Of the best one: further locally best constants.
    """

    value: float
    control: Any
    others: list[Constant] | None = None


@dataclass(frozen=True)
class Best(Entries):
    """The best protocol.

    Attributes
    ----------
    value : float
        𝒥.
    control : list
        Piece by piece (by key where there are several); of splines what they are at the ends of their pieces.
    knots : list of float
        The pieces' ends in n/d.
    residual : float
        How far it is from stationary (`pontryagin.residual`).
    starts : list of float
        Where the searches from several starts ended on the coarsest pieces.
    switching : list
        ∂H/∂u on every piece.
    bang_bang : bool
        Whether the protocol is at its bounds and the knots are its switches.
    error : float
        What the value changes by with the next rule and half the steps.
    basis : str
        "constant" or "spline".
    coefficients : list, optional
        Of splines.
    """

    value: float
    control: Any
    knots: list[float]
    residual: float
    starts: list[float]
    switching: Any
    bang_bang: bool
    error: float
    basis: str = "constant"  # files of before splines do not say
    coefficients: Any = None


@dataclass(frozen=True)
class Estimate(Entries):
    """Mean and standard error over runs in R^d; not-a-number where a run did not end well, or there was one."""

    mean: float
    sem: float


@dataclass(frozen=True)
class Simulated(Entries):
    """The best constant and the optimum in R^d; None where not simulated, and ``reason`` says why."""

    constant: Estimate | None
    optimum: Estimate | None
    reason: str | None = None


@dataclass(frozen=True)
class Optimum(Recorded):
    """Optimal controls along a training of n/d samples.

    Attributes
    ----------
    objective : str
    horizon : float
        n/d.
    baseline : float
        𝒥 of the experiment as it is; None where that training diverges, or does not reach what is to be hit.
    constant : Constant
    optimum : Best
    simulated : Simulated
    controls : dict
        Bounds by key.
    state : (n,)
        Packed order parameters at the end of the optimum.
    evaluations : int
        Trainings carried out, each with its gradient.
    seconds : float
    """

    objective: str
    horizon: float
    baseline: float | None
    constant: Constant
    optimum: Best
    simulated: Simulated
    controls: dict[str, Any]
    state: np.ndarray
    evaluations: int
    seconds: float

    @property
    def gain(self) -> float:
        """Relative to the best constant."""
        return 1 - self.optimum.value / self.constant.value

    def control(self, samples: ArrayLike, key: str | None = None) -> np.ndarray:
        """The optimal control at n/d (any shape); with several controls, of one key."""
        spline = self.optimum.basis == "spline"
        values = self.optimum.coefficients if spline else self.optimum.control
        values = np.asarray(values[key or next(iter(values))] if isinstance(values, dict) else values)
        knots = self.optimum.knots
        x = np.asarray(samples, dtype=np.float64)
        if spline:
            share = np.clip(x / self.horizon, 0.0, 1.0)
            found = Basis("spline", len(values) - DEGREE).rows(share.ravel()) @ values
            return np.asarray(found.reshape(*x.shape, *values.shape[1:]))
        ends = np.linspace(0, self.horizon, len(values) + 1) if len(values) + 1 != len(knots) else np.asarray(knots)
        return np.asarray(values[np.clip(np.searchsorted(ends, x, side="right") - 1, 0, len(values) - 1)])

    def to_json(self) -> dict[str, Any]:
        names = (
            "objective",
            "horizon",
            "baseline",
            "constant",
            "optimum",
            "simulated",
            "controls",
            "evaluations",
            "seconds",
        )
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """Values and gains, and how sure they are."""
        best, of = self.optimum, self.constant
        keys = ", ".join(f"{key} in [{low:g}, {high:g}]" for key, (low, high, *_) in self.controls.items())
        kind = "bang-bang" if best.bang_bang else f"{len(best.knots) - 1} pieces"
        if best.basis == "spline":
            kind = f"splines of {kind}"
        lines = [
            f"{self.objective} over n/d = {self.horizon:g}, controlled by {keys}",
            f"  as it is        {'does not end' if self.baseline is None else format(self.baseline, '.8g')}",
            f"  best constant   {of.value:z.8g}   at {_short(of.control)}",
            f"  optimum         {best.value:z.8g}   {kind}, {100 * self.gain:z.3g} % below the best constant",
            f"  stationary to {best.residual:.1e} (relative), next rule changes it by {best.error:.1e}; "
            f"searches from {len(best.starts)} starts ended at {', '.join(f'{x:z.6g}' for x in best.starts)}",
        ]
        for name, found in (("constant", self.simulated.constant), ("optimum", self.simulated.optimum)):
            if found is not None:
                lines.append(f"  in R^d: {name:<8} {found.mean:z.6g} ± {found.sem:.2g}")
        if self.simulated.optimum is None:
            lines.append(f"  not simulated: {self.simulated.reason}")
        return "\n".join(lines)


def _short(value: Mapping[str, ArrayLike] | ArrayLike) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_short(x)}" for key, x in value.items())
    return printed(value, 6)
