"""`regimes`: the dynamical regimes of a network along its training, beside those of the exact score."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array, fail, integer
from ...common.running.checkpoints import Checkpoint
from ..equations.integration.integrate import kernels_of
from ..kernels.compile import Kernels
from ..model.problem import Problem
from ..solution import OrderParameterPath
from ..theory import solve
from . import exact
from .clusters import Curve, by_line, checked_times, cluster_curves
from .landscape import Landscape, landscape
from .result import Regimes
from .sde.fields import Fields
from .space import simulate_clusters
from .turns.bimodality import bimodality_time
from .turns.points import Point, points_of
from .turns.times import crossings, drift_times, score_times
from .verdict import compare_clusters

#: Training times at which signs are looked at, and pairs of trajectories.
LOOKS, PAIRS = 401, 20_000


def regimes(
    problem: Problem,
    *,
    path: OrderParameterPath | None = None,
    tau: ArrayLike | None = None,
    clones: ArrayLike | None = None,
    pairs: int = PAIRS,
    seed: int | None = None,
    simulate: bool = False,
    progress: bool | None = None,
    workers: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Regimes:
    """Bifurcation times (t_B, t_S, t_c), landscapes, clones and U-turns of a network along its training.

    Parameters
    ----------
    problem : Problem
    path : OrderParameterPath, optional
        The solved training; default: it is solved here.
    tau : sequence of float, optional
        Training times; default nine equally spaced ones.
    clones : sequence of float, optional
        Times in sampling at which clones split and U-turns turn, for the network at the last τ.
    pairs : int
        Trajectories, where these are needed.
    seed : int, optional
        Default: that of the simulation.
    simulate : bool
        Train networks in R^d too, and compare their clones and U-turns with the reduced SDE.
    workers, progress, checkpoint
        Of these trainings.

    Raises
    ------
    InputError
        If an argument is not allowed.

    Notes
    -----
    Speciation and clones of the exact score: Biroli, Bonnaire, de Bortoli, Mézard, arXiv 2402.18491; U-turns: Sclocchi, Favero,
    Wyart 2024. Those of trained networks, the landscape, t_B, t_S and t_c of a network follow from its order parameters and are
    this package's own (`derivations.autoencoder.sampling.regimes`).
    """
    begun = time.perf_counter()
    end = problem.training.tau
    taus = np.linspace(0.0, end, 9) if tau is None else array("tau", np.atleast_1d(tau), ndim=1)
    if len(taus) == 0 or np.any(taus < 0) or np.any(taus > end * (1 + 1e-12)):
        fail("tau", tau, f"in [0, training.tau] = [0, {end:g}]")
    integer("pairs", pairs, at_least=2)
    chosen = problem.simulation.seed if seed is None else integer("seed", seed, at_least=0)
    times = None if clones is None else checked_times(problem.sampling, "clones", clones)
    if simulate and times is None:
        raise InputError("simulate: needs clones, the times in sampling at which they split (--clones 0.1,0.2)")
    if simulate and taus[-1] <= 0:
        raise InputError(f"tau = {taus[-1]:g}: the last one must be > 0 where networks are trained in R^d")
    if path is None:
        path = solve(problem, progress=progress)
    elif path.problem.to_tables() != problem.to_tables():
        raise InputError("path: must be the solution of the same problem")
    kernels = kernels_of(problem)
    notes: dict[str, list[float]] = {}
    rows: list[tuple[Fields, Point, Landscape]] = []
    lines: dict[str, list[list[float]]] = {"t_bimodal": [], "t_score": [], "t_drift": []}
    for value in taus:
        fields = Fields(problem, path(float(value)), kernels)
        (point, turning), ground = points_of(fields), landscape(fields)
        rows.append((fields, point, ground))
        first, reason = bimodality_time(fields, point)
        lines["t_bimodal"].append([] if first is None else [first])
        lines["t_score"].append(score_times(fields, turning))
        lines["t_drift"].append(drift_times(fields, point))
        for text in _said(fields, (point, turning), ground, first, reason):
            notes.setdefault(text, []).append(float(value))
    last = rows[-1][0]
    curves: tuple[Curve | None, Curve | None] = (None, None)
    if times is not None:
        curves = cluster_curves(last, times, pairs, chosen)
        for text in _said_of_clones(last):
            notes.setdefault(text, [])
    found = Regimes(
        tau=taus,
        kappa=np.array([f.kappa(np.zeros(f.n), f.stop) for f, _, _ in rows]),
        t_bimodal=lines["t_bimodal"],
        t_score=lines["t_score"],
        t_drift=lines["t_drift"],
        symmetric=np.array([f.odd for f, _, _ in rows]),
        points=np.array([point.places[0] if point.exists else np.full(f.n, np.nan) for f, point, _ in rows]),
        modes=[ground.modes() for _, _, ground in rows],
        gradient=np.array([ground.gradient for _, _, ground in rows]),
        training_bifurcations=training_bifurcations(path, problem, kernels),
        exact_t_score=exact.score_times(problem, last.weights),
        clones=curves[0],
        uturns=curves[1],
        notes=tuple(_with_times(text, times, len(taus)) for text, times in notes.items()),
        experiment=problem.to_tables(),
        seconds=time.perf_counter() - begun,
        path=path,
    )
    if not simulate or times is None:
        return found
    runs = simulate_clusters(
        problem, float(taus[-1]), times, pairs, chosen, workers=workers, progress=progress, checkpoint=checkpoint
    )
    return replace(found, simulation=runs, verdict=compare_clusters(found, runs))


def _with_times(text: str, times: list[float], of: int) -> str:
    return text if not times or len(times) == of else f"{text} (tau = {', '.join(f'{t:g}' for t in times)})"


def _said(
    fields: Fields, points: tuple[Point, Point], ground: Landscape, first: float | None, reason: str
) -> list[str]:
    """What has to be said of one network."""
    said = []
    if fields.problem.sampling.label is not None:
        said.append(
            f"the network is told the label {fields.problem.sampling.label}: the exact score is that of its clusters alone"
        )
    if fields.timed:
        said.append(
            f"the network depends on the time: the landscape is that of its learned score at the stop, t = {fields.stop:g}"
        )
    if not ground.gradient:
        said.append("the flow is no gradient flow: modes are stable fixed points, there is no landscape V")
    if not len(ground.places):
        said.append("the landscape has no minimum: the flow has no stable fixed point as t -> 1 and samples run away")
    elif ground.lost > 1e-6:
        said.append("some samples run away: the weights of the modes do not sum to 1")
    point, turning = points
    same = point is turning
    if point.reason:
        said.append(f"t_B, {'t_S, ' if same else ''}t_c: {point.reason}")
    if turning.reason and not same:
        said.append(f"t_S: {turning.reason}")
    if reason and reason != point.reason:
        said.append(f"t_B is not computed: {reason}")
    if first is not None and first > fields.stop:
        said.append(
            f"sampling stops at t = {fields.stop:g}, before t_B: the generated law of the fields is not bimodal yet"
        )
    if fields.start > 0:
        said.append(f"sampling starts at t = {fields.start:g}: the law is that of N(0, I) there")
    return said


def _said_of_clones(fields: Fields) -> list[str]:
    said = []
    if not fields.noisy:
        said.append("epsilon = 0: clones have no noise that could part them (phi = 1); U-turns are those of the flow")
    if fields.problem.sampling.scheme == "euler":
        said.append("clones split and U-turns turn at the nearest step of the Euler scheme")
    if by_line(fields):
        said.append("clones and U-turns by Kolmogorov's equation on a grid (error below 1e-3)")
    return said


def training_bifurcations(path: OrderParameterPath, problem: Problem, kernels: Kernels) -> np.ndarray:
    """Training times at which an eigenvalue of the flow's Jacobian at z = 0 changes its sign as t → 1: λ_i(Q) = 1 − b of tied tanh.

    Only where φ(0) = 0 is z = 0 a fixed point for all τ; of other networks there are none.
    """
    probe = Fields(problem, path(path.tau_max), kernels)
    if not probe.resting:
        return np.zeros(0)
    zero, end = np.zeros(probe.n), probe.end

    def eigenvalues(tau: float) -> np.ndarray:
        fields = Fields(problem, path(tau), kernels)
        pull, sign = fields.end_pull
        return np.asarray(pull + sign * (fields.kappa(zero, end) - fields.skip(end)))

    taus = np.linspace(0.0, path.tau_max, LOOKS)
    found = []
    for i in range(probe.n):
        found += crossings(lambda tau, i=i: float(eigenvalues(tau)[i]), taus)  # type: ignore[misc]
    return np.sort(np.array(found))
