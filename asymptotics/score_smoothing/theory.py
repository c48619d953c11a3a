"""The prediction for one experiment: law generated from p_{t₀}, its atoms, distances, density and flow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import InputError, array, number
from ..common.output.results import Result, to_builtin
from .laws.circle import CircleLaw
from .laws.closed import EarlyStoppedLaw, GeneratedLaw
from .laws.distances import memorised_atoms, metrics
from .laws.law import Law
from .laws.numerical import NumericalLaw
from .points import half_spacing
from .problem import Problem
from .processes import exploding_time
from .scores.averaging import AveragedScore
from .scores.embedding import OrnsteinUhlenbeck
from .scores.empirical import EmpiricalScore
from .scores.score import Score
from .scores.smoothed import SmoothedScore
from .settings import ScoreSmoothing


@dataclass(frozen=True)
class Solution(Result):
    """What a smoothed score generates.

    Parameters
    ----------
    settings : dict
        The table that gave it.
    points : ndarray
        Training points, shape (n,) on a line, (n, 2) on a circle.
    critical_time : float
        t_c (in the time of the process).
    atoms : ndarray, shape (n,)
        Masses a_k of the training points for end_time → 0; for end_time > 0 of the balls |x − y_k| <= δ.
    interpolated_mass : float
        Mass of the gaps.
    w1, w2, w1_training, w2_training : float
        Wasserstein distances to the uniform law on [y_1, y_n] and to the training set (mass 1/n each), in R^dimension.
    w1_tangential, w2_tangential : float
        The same to the uniform law, of the coordinate along the line alone.
    kl_uniform_total : float
        KL(U‖p̂) with the absolutely continuous part of p̂.
    kl_uniform_continuous, kl_continuous_uniform : float
        KL(U‖q) and KL(q‖U), q the normalised continuous (interpolating) part; both laws given the gaps if end_time > 0.
    memorised : float
        P(distance to the training set <= within).
    at, density : ndarray
        Positions along the line and the density of the continuous part there.
    starts, times, flow : ndarray
        Positions at start_time, times, and the flow map: ``flow[i, j]`` is where ``starts[j]`` is at ``times[i]``.
    notes : list of str
        Why a field is null, and what the numbers do not say.
    """

    settings: dict[str, Any]
    points: np.ndarray
    critical_time: float
    atoms: np.ndarray
    interpolated_mass: float
    w1: float
    w2: float
    w1_tangential: float
    w2_tangential: float
    w1_training: float
    w2_training: float
    kl_uniform_total: float
    kl_uniform_continuous: float
    kl_continuous_uniform: float
    memorised: float
    within: float
    at: np.ndarray
    density: np.ndarray
    starts: np.ndarray
    times: np.ndarray
    flow: np.ndarray
    notes: list[str]
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        fields = dict(super().to_json())
        fields["from"] = fields.pop("starts")
        if self.settings["process"] == "ornstein-uhlenbeck":
            fields["exploding_start_time"] = exploding_time("ornstein-uhlenbeck", self.settings["start_time"])
        return {k: to_builtin(v) for k, v in fields.items()}

    COLUMNS = ("points", "atoms")

    def summary(self) -> str:
        s = self.settings
        end = "t → 0" if s["end_time"] == 0 else f"t = {s['end_time']:g}"
        lines = [
            f"{len(self.points)} points on a {s['curve']} in R^{s['dimension']}, kernel {s['kernel']}, kappa {s['kappa']:g}, "
            f"from t0 = {s['start_time']:g} (critical {self.critical_time:.4g}) to {end}",
            f"  mass of the atoms       {float(np.sum(self.atoms)):.6f}   each "
            + " ".join(f"{a:.4f}" for a in self.atoms[:8])
            + (" ..." if len(self.atoms) > 8 else ""),
            f"  interpolated mass       {self.interpolated_mass:.6f}",
            f"  W1, W2 to uniform       {self.w1:.6f}  {self.w2:.6f}",
            f"  W1, W2 to training set  {self.w1_training:.6f}  {self.w2_training:.6f}",
            f"  KL(U||p), continuous    {self.kl_uniform_total:.6f}  {self.kl_uniform_continuous:.6f}",
            f"  memorised within {self.within:<6g} {self.memorised:.6f}",
        ]
        lines += [f"  p({x:g}) = {p:.8g}" for x, p in zip(self.at, self.density, strict=True)]
        lines += [
            f"  x at t = {t:g}: {np.array2string(x, precision=8)}" for t, x in zip(self.times, self.flow, strict=True)
        ]
        return "\n".join(lines + [f"  note: {n}" for n in self.notes])


def score_of(settings: ScoreSmoothing) -> Score:
    """The variance-exploding score on the line that an experiment names."""
    y = np.asarray(settings.points)
    delta = half_spacing(y)
    if settings.kernel == "box":
        return SmoothedScore(y, settings.kappa)
    if settings.kernel == "none":
        return EmpiricalScore(y)
    kernel = "box" if settings.kernel == "box-numerical" else "gaussian"

    def ball(t: float) -> float:
        return settings.kappa * float(np.sqrt(t))

    return AveragedScore(y, lambda t: delta - ball(t), kernel, "piecewise-linear", margin=ball)


def law_of(settings: ScoreSmoothing) -> Law | None:
    """The generated law on the line; None for the exact score at end_time = 0, which gives the training set back."""
    y = np.asarray(settings.points)
    if settings.kernel == "box":
        return GeneratedLaw(y, settings.kappa, settings.start_time, settings.end_time, settings.process)
    if settings.kernel == "none":
        return None if settings.end_time == 0.0 else EarlyStoppedLaw(y, settings.end_time, settings.process)
    end = exploding_time(settings.process, settings.end_time)
    return NumericalLaw(
        score_of(settings),
        settings.start_time,
        settings.end_time,
        ball=settings.kappa * float(np.sqrt(end)),
        process=settings.process,
    )


def solve(
    problem: Problem,
    *,
    at: Any = None,
    starts: Any = None,
    times: Any = None,
    within: float = 0.1,
    progress: bool | None = None,
) -> Solution:
    """The law that an experiment's score generates.

    Parameters
    ----------
    problem : Problem
    at : sequence of float, optional
        Positions of the density (on the circle: signed distance from the midpoint of an edge).
    starts, times : sequence of float, optional
        Positions at start_time (on the circle x, y pairs in a row) and times in [0, start_time] of the flow map; without
        ``times`` it is to end_time, without ``starts`` there is none.
    within : float
        Distance that counts as memorised.
    progress : bool, optional
        As in every room; there is nothing to wait for here.

    Raises
    ------
    InputError
        If an argument is not finite or a time outside [0, start_time].
    """
    begun, settings = time.perf_counter(), problem.score_smoothing
    if starts is None and times is not None:
        raise InputError("times: given without from (positions at start_time)")
    if times is None:
        times = [] if starts is None else [settings.end_time]
    x, z = (array(name, [] if v is None else v, ndim=1) for name, v in (("at", at), ("from", starts)))
    t = array("times", times, ndim=1)
    for value in t:
        number("times", float(value), at_least=0.0, at_most=settings.start_time)
    number("within", within, at_least=0.0)
    fields = (_circle if settings.curve == "circle" else _line)(settings, x, z, t, float(within))
    return Solution(
        settings=settings.to_table(),
        critical_time=settings.critical_time,
        within=float(within),
        at=x,
        starts=z,
        times=t,
        seconds=time.perf_counter() - begun,
        **fields,
    )


def _line(settings: ScoreSmoothing, x: np.ndarray, z: np.ndarray, t: np.ndarray, within: float) -> dict[str, Any]:
    y, notes, nan = np.asarray(settings.points), [], float("nan")
    flow = _flow(settings, z, t)
    law = law_of(settings)
    if law is None:
        w1, w2 = memorised_atoms(y)
        notes.append("the exact score gives the training set back: no continuous part, KL(U||p) is infinite")
        return {
            "points": y, "atoms": np.full(y.size, 1.0 / y.size), "interpolated_mass": 0.0, "w1": w1, "w2": w2,
            "w1_tangential": w1, "w2_tangential": w2, "w1_training": 0.0, "w2_training": 0.0, "kl_uniform_total": nan,
            "kl_uniform_continuous": nan, "kl_continuous_uniform": nan, "memorised": 1.0, "density": np.zeros(x.shape),
            "flow": flow, "notes": notes,
        }  # fmt: skip
    m = metrics(law, within, settings.dimension)
    along = metrics(law, within) if settings.dimension > 1 else m
    if settings.dimension > 1 and settings.end_time > 0.0:
        notes.append(
            "dimension > 1 and end_time > 0: KL(U||p) is infinite (U lives on the line) and W1 does not split into tangential "
            "and normal parts, so kl_uniform_total, w1 and w1_training are null; w1_tangential is along the line"
        )
    if settings.kernel == "none":
        notes.append("kernel none: atoms are the masses nearest to each point of the law stopped at end_time; no gaps")
    elif settings.end_time > 0.0:
        notes.append("end_time > 0: atoms are ball masses; the continuous KL compares the laws given the gaps")
    else:
        notes.append("the interpolating part is a rescaled window of p at start_time, not a uniform law")
    notes.append("KL(p||U) is infinite: p has atoms or mass outside [y_1, y_n]")
    return {
        "points": y, "atoms": law.ball_masses(), "interpolated_mass": m.interpolated_mass, "w1": m.w1, "w2": m.w2,
        "w1_tangential": along.w1, "w2_tangential": along.w2, "w1_training": m.w1_training, "w2_training": m.w2_training,
        "kl_uniform_total": m.kl_uniform_total, "kl_uniform_continuous": m.kl_uniform_continuous,
        "kl_continuous_uniform": m.kl_continuous_uniform, "memorised": m.memorised, "density": law.density(x), "flow": flow,
        "notes": notes,
    }  # fmt: skip


def _flow(settings: ScoreSmoothing, z: np.ndarray, t: np.ndarray) -> np.ndarray:
    score: Any = score_of(settings)
    if settings.process == "ornstein-uhlenbeck":
        score = OrnsteinUhlenbeck(score)
    if z.size == 0 or t.size == 0:
        return np.empty((t.size, z.size))
    return np.stack([score.flow(z, settings.start_time, float(end)) for end in t])


def _circle(settings: ScoreSmoothing, x: np.ndarray, z: np.ndarray, t: np.ndarray, within: float) -> dict[str, Any]:
    if z.size % 2:
        raise InputError(f"from has {z.size} numbers: must be x, y pairs on the circle")
    law = CircleLaw(settings.points, settings.kappa, settings.start_time, settings.end_time, str(settings.kernel))
    w1, w2 = law.along_polygon()
    nan = float("nan")
    notes = [
        "circle: samples lie on the inscribed polygon, not on the circle; w1 and w2 are measured along the polygon against "
        "the uniform law on it; KL and the distances to the training set are not computed (null)",
    ]
    if settings.end_time > 0.0:
        notes.append("end_time > 0: the law is not on the polygon, w1 and w2 are null")
    if settings.kernel == "angular":
        notes.append(
            f"angular window: metastable, offsets from the middle of an edge grow as (t0/t)^{law.metastability():.6g}; "
            "the fields are the limit t -> 0, where all is memorised; simulate shows the slow way there"
        )
    pairs = z.reshape(-1, 2)
    flow = (
        np.stack([law.flow(pairs, float(end)) for end in t])
        if t.size and z.size
        else np.empty((t.size, z.size // 2, 2))
    )
    return {
        "points": law.points, "atoms": law.ball_masses(), "interpolated_mass": law.gap_mass(), "w1": w1, "w2": w2,
        "w1_tangential": nan, "w2_tangential": nan, "w1_training": nan, "w2_training": nan, "kl_uniform_total": nan,
        "kl_uniform_continuous": nan, "kl_continuous_uniform": nan, "memorised": law.memorised(within),
        "density": law.density(x), "flow": flow, "notes": notes,
    }  # fmt: skip
