"""When runs at finite dimension leave a saddle: the law of escape times, by theory, by the exact chain, by full simulation.

Near the saddle deviations are Gaussian with covariance C/d and grow as e^{γτ}; from there the flow takes them along. With the
orbit normalised Θ ~ e^{γs} at s → −∞ that reaches the threshold at s*, and ξ ~ N(0, 1) for one growing direction,

    τ_esc = s* + (1/2γ)(ln d − ln C_eff) − (1/γ) ln|ξ|,   C_eff = C₀ + ∫ e^{−2γτ} 2η Cov(Y) dτ,

of mean s* + (1/2γ)(ln d − ln C_eff + 1.270363) and standard deviation π/(√8 γ). A few rates alike: |ξ| is the norm of as many
Gaussian numbers. Where the path has not come to rest before runs leave it, or other overlaps grow too (of rate γ₂ < γ: they are
smaller by d^{−(1−γ₂/γ)/2} alone when the threshold is reached, and bring runs there earlier), runs are drawn at an early time from
N(path, C/d) in all order parameters, and followed by the flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import integer, number
from ....common.output.records import Recorded
from ....common.running.checkpoints import Checkpoint
from ...model.problem import Problem
from ..covered import FIXED, FLOW, live
from .escape_law import LATE, LEVELS, Measured, Times, effective, entries, grown, law_along, law_at_rest
from .saddle import saddle_of


@dataclass(frozen=True)
class Escape(Recorded):
    """The law of the time at which runs leave a saddle.

    Attributes
    ----------
    rate : float
        γ, growth rate on the saddle.
    direction : tuple of str
        Order parameters that carry the growing direction.
    mean, std : float
        Of the escape time (training time τ).
    dimension : int
    threshold : float
        ‖Θ − Θ_path‖ at which a run has escaped.
    effective : float
        C_eff: √(C_eff/d) e^{growth} is the standard deviation of a growing overlap (of several the mean square).
    degeneracy : int
        Directions that grow at γ.
    theta : (degeneracy, p, K)
        Θ of the growing directions, of norm 1.
    vector : dict
        The leading direction's largest entries by name, of unit norm.
    resting : bool
        Whether the path rests on the saddle from the start: mean and std are then closed expressions.
    initial : str
        "drawn": the weights are drawn anew in every run; "exact": every run starts from the same overlaps, and leaves them by
        the noise of SGD alone.
    levels, quantiles : (n,)
        The law.
    measured : Measured
        Means and spreads of these.
    chain, simulation : (runs,)
        Measured escape times (not-a-number: not in time).
    """

    rate: float
    direction: tuple[str, ...]
    mean: float
    std: float
    dimension: int
    threshold: float
    effective: float
    degeneracy: int
    theta: np.ndarray
    vector: dict[str, float]
    resting: bool
    initial: str
    levels: np.ndarray
    quantiles: np.ndarray
    chain: np.ndarray
    simulation: np.ndarray
    measured: Measured

    def __getitem__(self, name: str) -> Any:
        if name not in self._kept():
            raise KeyError(name)
        return getattr(self, name)

    def quantile(self, level: float | np.ndarray) -> Any:
        """Time before which that share of the runs has escaped."""
        return np.interp(level, self.levels, self.quantiles)

    def cdf(self, tau: ArrayLike) -> Any:
        """Share of the runs that have escaped at τ."""
        return np.interp(np.asarray(tau, dtype=float), self.quantiles, self.levels, left=0.0, right=1.0)

    def to_json(self) -> dict[str, Any]:
        fields = {name: value for name, value in self._kept().items() if name not in ("levels", "quantiles")}
        levels = (0.05, 0.25, 0.5, 0.75, 0.95)
        return {**fields, "levels": levels, "quantiles": self.quantile(np.array(levels))}

    def summary(self) -> str:
        how = (
            "weights drawn anew in every run"
            if self.initial == "drawn"
            else "exact initial overlaps: by the noise of SGD alone"
        )
        several = f", {self.degeneracy} directions alike" if self.degeneracy > 1 else ""
        lines = [
            f"escape from the saddle at d = {self.dimension} ({how}): rate {self.rate:+.6f} per tau along "
            f"{', '.join(self.direction)}{several}",
            f"time to |Theta - Theta_path| = {self.threshold:g}: mean {self.mean:.4f}, standard deviation {self.std:.4f} "
            f"(C_eff = {self.effective:.6g}; 5 to 95 %: {self.quantile(0.05):.4f} to {self.quantile(0.95):.4f})",
        ]
        for name, found in self.measured.items():
            late = f", {found.late:.0f} not in time" if found.late else ""
            lines.append(
                f"{name}: {found.mean:.4f} ± {found.sem:.4f}, standard deviation {found.std:.4f} ({found.runs:.0f} runs{late})"
            )
        return "\n".join(lines)


def escape(
    problem: Problem,
    *,
    dimension: int | None = None,
    threshold: float = 0.3,
    initial: str | None = None,
    chain: int = 0,
    full: int = 0,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Escape:
    """The law of the time at which runs leave the saddle of an experiment's path.

    Parameters
    ----------
    problem : Problem
        Its path has Θ = 0 for ever (a random start), or ends on a saddle.
    dimension : int, optional
        d; default that of the simulation.
    threshold : float
        A run has escaped when ‖Θ − Θ_path‖ reaches this.
    initial : {"exact", "drawn"}, optional
        Whether runs start from the same overlaps (as `simulate` does), or draw their random weights anew. Default: drawn where
        ``denoiser.init.random`` is not 0.
    chain, full : int
        Also measure this many runs of the exact chain of the order parameters, and of SGD in R^d.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Raises
    ------
    InputError
        If the path ends on no saddle, no overlap grows there, or orbits never reach the threshold.
    """
    from .measured import escape_times

    d = integer("dimension", problem.simulation.dimension if dimension is None else dimension, at_least=2)
    number("threshold", threshold, above=0)
    saddle = saddle_of(live(problem, "the escape from a saddle", (*FLOW, *FIXED)), initial)
    if saddle.resting and not saddle.slower:
        mean, std, quantiles = law_at_rest(saddle, d, threshold)
    else:
        mean, std, quantiles = law_along(grown(saddle, d, threshold), d, threshold)
    found: dict[str, np.ndarray] = {}
    measured: dict[str, Times] = {}
    for name, count in (
        ("chain", integer("chain", chain, at_least=0)),
        ("simulation", integer("full", full, at_least=0)),
    ):
        found[name] = np.zeros(0)
        if count:
            end = float(quantiles[-1]) + LATE / saddle.rate
            found[name] = escape_times(
                saddle, d, threshold, count, end, full=name == "simulation", workers=workers, progress=progress,
                checkpoint=checkpoint,
            )  # fmt: skip
            measured[name] = Times.of(found[name])
    return Escape(
        rate=saddle.rate, direction=saddle.spectrum.direction, mean=mean, std=std, dimension=d, threshold=threshold,
        effective=effective(saddle), degeneracy=len(saddle.left), theta=saddle.theta, vector=entries(saddle),
        resting=saddle.resting, initial=saddle.initial, levels=LEVELS, quantiles=quantiles, measured=Measured(**measured),
        chain=found["chain"], simulation=found["simulation"],
    )  # fmt: skip
