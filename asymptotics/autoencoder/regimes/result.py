"""Dynamical regimes along training: what `regimes` gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...common.input.checks import fail
from ...common.output.records import Recorded
from ...common.output.results import dataframe
from ...common.output.verdict import Verdict
from ..model.problem import Problem
from ..solution import OrderParameterPath
from .clusters import Curve
from .landscape import Mode


def line_value(times: list[float]) -> float | list[float] | None:
    """None where a line is never crossed, the time where once, else all times."""
    return None if not times else times[0] if len(times) == 1 else times


@dataclass(frozen=True)
class Regimes(Recorded):
    """Bifurcation times, landscapes, clones and U-turns of a network along its training.

    Attributes
    ----------
    tau : (n,)
        Training times.
    kappa : (n, encoders)
        Eigenvalues of bI + C ∂φ/∂z at z = 0 (tied: bI + Q^{1/2} diag σ'(0) Q^{1/2}), descending; at the sampler's stop where they
        depend on t.
    t_bimodal, t_score, t_drift : list of list of float
        Sampling times at which the lines are crossed, per τ: of the law of the fields (the first), of the learned score, of the drift.
    symmetric : (n,)
        Whether the network is odd: the times are then those at z = 0, its symmetric point.
    points : (n, encoders)
        The point at the start of sampling that t_B and t_c belong to (NaN: there is none): z = 0 where it rests, else the drift's
        fixed point that is stable there. t_S belongs to the learned score's zero, which starts at z = 0.
    modes : list of list of Mode
        Per τ the minima of the landscape.
    gradient : (n,)
        Whether the flow is a gradient flow.
    training_bifurcations : (m,)
        Training times at which an eigenvalue of the flow's Jacobian at the point changes its sign as t → 1.
    exact_t_score : list of float
        t_S of the target's exact score.
    clones, uturns : Curve, optional
        At the last τ.
    notes : tuple of str
        What does not hold, or is not computed, and why.
    """

    tau: np.ndarray
    kappa: np.ndarray
    t_bimodal: list[list[float]]
    t_score: list[list[float]]
    t_drift: list[list[float]]
    symmetric: np.ndarray
    points: np.ndarray
    modes: list[list[Mode]]
    gradient: np.ndarray
    training_bifurcations: np.ndarray
    exact_t_score: list[float]
    clones: Curve | None
    uturns: Curve | None
    notes: tuple[str, ...]
    experiment: dict[str, Any]
    seconds: float
    path: OrderParameterPath | None = field(default=None, repr=False, compare=False, metadata={"transient": True})
    simulation: Any = field(default=None, repr=False, compare=False, metadata={"transient": True})
    verdict: Verdict | None = field(default=None, repr=False, compare=False, metadata={"transient": True})

    @property
    def problem(self) -> Problem:
        """What was solved (rebuilt from ``experiment`` after loading)."""
        return self.path.problem if self.path is not None else Problem.from_tables(self.experiment)

    def compare(self) -> Verdict:
        """Clones and U-turns of the reduced SDE against the process in R^d that was run with it."""
        if self.verdict is None:
            fail("simulate", False, "true: the process in R^d has to be run for a comparison")
        return self.verdict

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"tau": self.tau, "kappa": self.kappa}
        for name in ("t_bimodal", "t_score", "t_drift"):
            out[name] = [line_value(times) for times in getattr(self, name)]
        out |= {"modes": self.modes, "training_bifurcations": self.training_bifurcations}
        out["exact"] = {"t_score": line_value(self.exact_t_score)}
        out |= {"symmetric": self.symmetric, "points": self.points, "gradient": self.gradient}
        for name in ("clones", "uturns"):
            if getattr(self, name) is not None:
                out[name] = getattr(self, name)
        out |= {"notes": self.notes, "seconds": self.seconds}
        if self.simulation is not None:
            out["simulation"] = self.simulation.to_json()
            out["comparison"] = self.compare().to_json()
        return out

    def to_dataframe(self) -> Any:
        """One row a training time as a pandas DataFrame: eigenvalues, first crossing of every line, number of modes (needs pandas)."""
        first = {
            name: [times[0] if times else np.nan for times in getattr(self, name)]
            for name in ("t_bimodal", "t_score", "t_drift")
        }
        counts = [len(found) for found in self.modes]
        return dataframe({"tau": self.tau, "kappa": self.kappa, **first, "modes": counts}, "tau")

    def summary(self) -> str:
        """A table along τ, the landscape at the end, clones and U-turns, and what has to be said."""

        def shown(times: list[float]) -> str:
            return ", ".join(f"{t:z.6f}" for t in times) or "never"

        lines = [
            "dynamical regimes along training: times in sampling at which the law of the fields becomes bimodal (t_B),"
        ]
        lines.append("the learned score (t_S) and the drift (t_c) turn at the " + self._where())
        for k, tau in enumerate(self.tau):
            kappa = " ".join(f"{v:z.6f}" for v in self.kappa[k])
            lines.append(
                f"tau = {tau:<8.4g} kappa = {kappa}  t_B = {shown(self.t_bimodal[k])}  t_S = {shown(self.t_score[k])}  "
                f"t_c = {shown(self.t_drift[k])}  modes = {len(self.modes[k])}"
            )
        lines.append(f"exact score of the target: t_S = {shown(self.exact_t_score)}")
        lines.append(f"bifurcations in training: tau = {shown(list(self.training_bifurcations))}")
        for mode in self.modes[-1]:
            place = " ".join(f"{x:z.4f}" for x in mode.place)
            lines.append(f"  mode at ({place}), cluster {mode.cluster + 1}, weight {mode.weight:z.4f}")
        for name, curve in (("clones", self.clones), ("U-turns", self.uturns)):
            if curve is not None:
                for t, phi, sem, exact in zip(curve.t, curve.phi, curve.sem, curve.exact, strict=True):
                    lines.append(f"  {name} t = {t:z.4f}: {phi:z.4f} +- {sem:.4f}, exact score {exact:z.4f}")
        lines += [f"note: {text}" for text in self.notes]
        if self.simulation is not None:
            lines += [self.simulation.summary(), self.compare().summary()]
        return "\n".join(lines)

    def _where(self) -> str:
        if np.all(self.symmetric):
            return "symmetric point"
        if np.all(self.points == 0):
            return "fixed point z = 0"
        return "fixed points that are stable at the start, continued"
