"""The prediction for one experiment: law generated from p_{t₀}, its atoms, distances, density and flow."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, array, number
from ..common.output.plain import printed
from ..common.output.results import Result
from .laws.circle import CircleLaw
from .laws.distances import Metrics, metrics
from .laws.experiment import law_of, score_of
from .laws.transport import memorised_atoms
from .problem import OfProblem, Problem
from .processes import exploding_time
from .scores.embedding import OrnsteinUhlenbeck
from .settings import ScoreSmoothing


@dataclass(frozen=True, kw_only=True)
class Solution(OfProblem, Result, Metrics):
    """What a smoothed score generates: its `Metrics`, density, atoms and flow; ``notes`` say why a number is missing (NaN).

    Parameters
    ----------
    experiment : dict
        The tables that gave it.
    points : ndarray
        Training points, shape (n,) on a line, (n, 2) on a circle.
    critical_time : float
        t_c (in the time of the process).
    atoms : ndarray, shape (n,)
        Masses a_k of the training points for end_time → 0; for end_time > 0 of the balls |x − y_k| <= δ.
    w1_tangential, w2_tangential : float
        To the uniform law, of the coordinate along the line alone.
    at, density : ndarray
        Positions along the line and the density of the continuous part there.
    starts, times, flow : ndarray
        Positions at start_time, times, and the flow map: ``flow[i, j]`` is where ``starts[j]`` is at ``times[i]``.
    notes : list of str
        Why a field is null, and what the numbers do not say.
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "from": "positions at start_time of the flow map",
        "exploding_start_time": "start_time as a time of the variance-exploding process (Ornstein-Uhlenbeck only)",
        "within": "distance that counts as memorised",
        "*": "",
    }

    experiment: dict[str, Any]
    points: np.ndarray
    critical_time: float
    atoms: np.ndarray
    w1_tangential: float = math.nan
    w2_tangential: float = math.nan
    within: float
    at: np.ndarray
    density: np.ndarray
    starts: np.ndarray
    times: np.ndarray
    flow: np.ndarray
    notes: list[str]
    seconds: float = 0.0

    COLUMNS = ("points", "atoms")

    def to_json(self) -> dict[str, Any]:
        fields = dict(super().to_json())
        fields["from"] = fields.pop("starts")
        table = self.experiment["score_smoothing"]
        if table["process"] == "ornstein-uhlenbeck":
            fields["exploding_start_time"] = exploding_time(table["process"], table["start_time"])
        return fields

    def summary(self) -> str:
        s = self.experiment["score_smoothing"]
        end = "t → 0" if s["end_time"] == 0 else f"t = {s['end_time']:g}"
        lines = [
            f"{len(self.points)} points on a {s['curve']} in R^{s['dimension']}, kernel {s['kernel']}, kappa {s['kappa']:g}, "
            f"from t0 = {s['start_time']:g} (critical {self.critical_time:z.4g}) to {end}",
            f"  mass of the atoms       {float(np.sum(self.atoms)):z.6f}   each "
            + " ".join(f"{a:z.4f}" for a in self.atoms[:8])
            + (" ..." if len(self.atoms) > 8 else ""),
            f"  interpolated mass       {self.interpolated_mass:z.6f}",
            f"  W1, W2 to uniform       {self.w1:z.6f}  {self.w2:z.6f}",
            f"  W1, W2 to training set  {self.w1_training:z.6f}  {self.w2_training:z.6f}",
            f"  KL(U||p), continuous    {self.kl_uniform_total:z.6f}  {self.kl_uniform_continuous:z.6f}",
            f"  memorised within {self.within:<6g} {self.memorised:z.6f}",
        ]
        lines += [f"  p({x:g}) = {p:z.8g}" for x, p in zip(self.at, self.density, strict=True)]
        lines += [f"  x at t = {t:g}: {printed(x, 8)}" for t, x in zip(self.times, self.flow, strict=True)]
        return "\n".join(lines + [f"  note: {n}" for n in self.notes])


def solve(
    problem: Problem,
    *,
    at: ArrayLike | None = None,
    starts: ArrayLike | None = None,
    times: ArrayLike | None = None,
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
    given: dict[str, Any] = {
        "experiment": problem.to_tables(),
        "critical_time": settings.critical_time,
        "within": float(within),
        "at": x,
        "starts": z,
        "times": t,
    }
    solved = (_circle if settings.curve == "circle" else _line)(settings, given)
    return dataclasses.replace(solved, seconds=time.perf_counter() - begun)


def _line(settings: ScoreSmoothing, given: dict[str, Any]) -> Solution:
    y, z, t = np.asarray(settings.points), given["starts"], given["times"]
    notes: list[str] = []
    score: Any = score_of(settings)
    if settings.process == "ornstein-uhlenbeck":
        score = OrnsteinUhlenbeck(score)
    flow = np.empty((t.size, z.size))
    for i, end in enumerate(t if z.size else ()):
        flow[i] = score.flow(z, settings.start_time, float(end))
    law = law_of(settings)
    if law is None:
        w1, w2 = memorised_atoms(y)
        found = along = Metrics(interpolated_mass=0.0, memorised=1.0, w1=w1, w2=w2, w1_training=0.0, w2_training=0.0)
        atoms, density = np.full(y.size, 1.0 / y.size), np.zeros(given["at"].shape)
        notes.append("the exact score gives the training set back: no continuous part, KL(U||p) is infinite")
    else:
        found = metrics(law, given["within"], settings.dimension)
        along = metrics(law, given["within"]) if settings.dimension > 1 else found
        atoms, density = law.ball_masses(), law.density(given["at"])
        if settings.dimension > 1 and settings.end_time > 0.0:
            notes.append(
                "dimension > 1 and end_time > 0: KL(U||p) is infinite (U lives on the line) and W1 does not split into "
                "tangential and normal parts, so kl_uniform_total, w1 and w1_training are null; w1_tangential is along the line"
            )
        if settings.kernel == "none":
            notes.append(
                "kernel none: atoms are the masses nearest to each point of the law stopped at end_time; no gaps"
            )
        elif settings.end_time > 0.0:
            notes.append("end_time > 0: atoms are ball masses; the continuous KL compares the laws given the gaps")
        else:
            notes.append("the interpolating part is a rescaled window of p at start_time, not a uniform law")
        notes.append("KL(p||U) is infinite: p has atoms or mass outside [y_1, y_n]")
    tangential: dict[str, Any] = {"w1_tangential": along.w1, "w2_tangential": along.w2}
    return Solution(
        **given, **vars(found), **tangential, points=y, atoms=atoms, density=density, flow=flow, notes=notes
    )


def _circle(settings: ScoreSmoothing, given: dict[str, Any]) -> Solution:
    z, t = given["starts"], given["times"]
    if z.size % 2:
        raise InputError(f"from has {z.size} numbers: must be x, y pairs on the circle")
    law = CircleLaw(settings.points, settings.kappa, settings.start_time, settings.end_time, str(settings.kernel))
    w1, w2 = law.along_polygon()
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
    flow = np.empty((t.size, z.size // 2, 2))
    for i, end in enumerate(t if z.size else ()):
        flow[i] = law.flow(z.reshape(-1, 2), float(end))
    found = Metrics(interpolated_mass=law.gap_mass(), memorised=law.memorised(given["within"]), w1=w1, w2=w2)
    density = law.density(given["at"])
    return Solution(
        **given, **vars(found), points=law.points, atoms=law.ball_masses(), density=density, flow=flow, notes=notes
    )
