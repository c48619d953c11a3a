"""The full process in R^d: training sets, the exact ridge denoiser at every t, and the transport of many points."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import InputError
from ..common.numerics.interpolants import Interpolant
from ..common.output.results import Result, dataframe, to_builtin
from ..common.running.checkpoints import Checkpoint
from ..common.running.ensembles import run_ensemble, spawn
from .equations.schemes import Grid, make_grid
from .problem import Problem
from .process.data import TrainingSet
from .process.observables import Account, final_values
from .process.products import overlaps, signed_sum
from .process.ridge import Ridge
from .process.transport import Drift, advance
from .settings import MixtureFlow

#: Numbers held at once in a chunk of generated points.
_CHUNK = 1 << 22
#: Measured along t, and once at t = 1.
ALONG = ("M", "Q_xi", "Q_eta", "perp", "b", "w_m", "w_xi", "w_eta", "Q", "cosine")
FINAL = (
    "mean_error",
    "mean_cosine",
    "sigma_generated",
    "mw2_squared",
    "data_overlap",
    "noise_overlap",
    "training_distance",
)


@dataclass(frozen=True)
class Runs(Result):
    """Order parameters measured in independent training sets, by the names of the theory.

    Parameters
    ----------
    t : ndarray, shape (T,)
    M, Q_xi, Q_eta, perp, b, w_m, w_xi, w_eta, Q, cosine : ndarray, shape (runs, T)
        M, Q_ξ, Q_η: coefficients of the cluster's mean in the span of μ, ξ, η; perp: standard deviation per dimension
        outside that span; b and w: the ridge solution; Q = ‖X‖²/d; cosine: mean over points of cos(s X, μ).
    mean_error, mean_cosine, sigma_generated, mw2_squared, data_overlap, noise_overlap, training_distance : ndarray, (runs,)
        At t = 1; the number of generated points does not bias the first two (the variance of the mean is subtracted).
    mistakes, flips : ndarray, shape (runs,)
        Wrong labels in the sign pattern; generated points whose sign changed on the way.
    dimension : int
    parameters : dict
        The tables of the experiment.
    seconds : float
    """

    t: np.ndarray
    M: np.ndarray
    Q_xi: np.ndarray
    Q_eta: np.ndarray
    perp: np.ndarray
    b: np.ndarray
    w_m: np.ndarray
    w_xi: np.ndarray
    w_eta: np.ndarray
    Q: np.ndarray
    cosine: np.ndarray
    mean_error: np.ndarray
    mean_cosine: np.ndarray
    sigma_generated: np.ndarray
    mw2_squared: np.ndarray
    data_overlap: np.ndarray
    noise_overlap: np.ndarray
    training_distance: np.ndarray
    mistakes: np.ndarray
    flips: np.ndarray
    dimension: int
    parameters: dict[str, Any]
    seconds: float

    @property
    def runs(self) -> int:
        """Number of independent training sets."""
        return len(self.M)

    def mean(self, name: str) -> np.ndarray:
        """Mean over the runs."""
        return np.asarray(np.mean(getattr(self, name), axis=0))

    def sem(self, name: str) -> np.ndarray:
        """Standard error of that mean (NaN for a single run)."""
        values = getattr(self, name)
        if self.runs < 2:
            return np.full(values.shape[1:], np.nan)
        return np.asarray(np.std(values, axis=0, ddof=1) / np.sqrt(self.runs))

    def to_json(self) -> dict[str, Any]:
        """``t``, ``mean`` and ``sem`` (with ``final`` inside each), ``runs``, ``dimension``, ``seconds``."""

        def both(statistic: Any) -> dict[str, Any]:
            return {n: statistic(n) for n in ALONG} | {"final": {n: statistic(n) for n in FINAL}}

        content = {
            "t": self.t,
            "mean": both(self.mean),
            "sem": both(self.sem),
            "mistakes": int(self.mistakes.sum()),
            "flips": int(self.flips.sum()),
            "runs": self.runs,
            "dimension": self.dimension,
            "parameters": self.parameters,
            "seconds": self.seconds,
        }
        result: dict[str, Any] = to_builtin(content)
        return result

    def to_dataframe(self) -> Any:
        """Means and standard errors along t as a pandas DataFrame (``M``, ``M_sem``; needs pandas)."""
        columns: dict[str, Any] = {"t": self.t}
        for name in ALONG:
            columns |= {name: self.mean(name), f"{name}_sem": self.sem(name)}
        return dataframe(columns, "t")

    def summary(self) -> str:
        lines = [f"{self.runs} training sets, d = {self.dimension}, {self.seconds:.2f} s", "at t = 1, mean ± s.e.:"]
        lines += [f"  {n:<18} {float(self.mean(n)):.6f} ± {float(self.sem(n)):.2g}" for n in FINAL]
        return "\n".join(lines)


def simulate(
    problem: Problem,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs:
    """Run the full process on independent training sets.

    Parameters
    ----------
    problem : Problem
    workers : int, optional
        Processes; the answer does not depend on it.
    progress : bool, optional
    checkpoint : Checkpoint, optional
        Keeps finished training sets; a later call goes on from there.

    Returns
    -------
    Runs

    Raises
    ------
    InputError
        If the scheme meets a pole: the interpolant's derivative infinite at a stage, or t = 1 without a skip connection; or
        if fresh noise is asked of a scheme with more than one stage.
    """
    started = time.perf_counter()
    simulation = problem.simulation
    grid = run_grid(problem)
    alpha, beta = _values(problem.interpolant, simulation.measured)
    measured = run_ensemble(
        _run,
        spawn(simulation.seed, simulation.runs),
        problem.mixture_flow,
        simulation.dimension,
        simulation.samples,
        grid,
        np.stack([alpha, beta]),
        workers=workers,
        progress=progress,
        description="training sets",
        checkpoint=checkpoint,
    )
    stacked = {name: np.array([m[name] for m in measured]) for name in measured[0]}
    return Runs(
        t=np.array(simulation.measured),
        **stacked,
        dimension=simulation.dimension,
        parameters=problem.to_tables(),
        seconds=time.perf_counter() - started,
    )


def run_grid(problem: Problem) -> Grid:
    """The grid that `simulate` steps on: its times are the measured ones and, last, t = 1.

    Raises
    ------
    InputError
        As `simulate`.
    """
    flow, simulation = problem.mixture_flow, problem.simulation
    times = np.append(simulation.measured, 1.0)
    grid = make_grid(problem.interpolant, simulation.steps, simulation.scheme, simulation.clock, times)
    if flow.fresh_noise and simulation.scheme != "euler":
        raise InputError(
            f"simulation.scheme = {simulation.scheme!r}: must be euler with mixture_flow.fresh_noise (one draw a step)"
        )
    pointlike = not flow.skip or (flow.cluster_std == 0 and flow.ridge == 0 and flow.noises == 1)
    if pointlike and np.min(grid.alpha) < 1e-12:
        raise InputError(
            f"simulation.scheme = {simulation.scheme!r}: must be euler or midpoint where the clusters end as points,"
            " because the drift has a pole at t = 1"
        )
    return grid


def _values(interpolant: Interpolant, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(α, β) at the measured times, exact at both ends."""
    inside = (t > 0) & (t < 1)
    alpha, beta = 1.0 - np.round(t), np.round(t)
    alpha[inside], beta[inside] = interpolant.alpha(t[inside]), interpolant.beta(t[inside])
    return alpha, beta


def _run(
    seed: np.random.SeedSequence, flow: MixtureFlow, dimension: int, count: int, grid: Grid, ends: np.ndarray
) -> dict[str, Any]:
    """One training set and its generated points; module-level so that it can travel to another process."""
    training = TrainingSet(flow, dimension, seed)
    pattern = training.pattern()
    sums = training.sums(pattern)
    total = flow.samples * flow.noises
    ridge = Ridge.of(sums, total, flow.ridge, flow.skip)
    if flow.fresh_noise:
        drift, learned = _fresh_drift(training, pattern, grid)
    else:
        rate, gain, p, q = ridge.drift(grid.alpha, grid.beta, grid.alpha_dot, grid.beta_dot)

        def directions(first: int, last: int) -> np.ndarray:
            return np.outer(p[first:last].ravel(), ridge.data) + np.outer(q[first:last].ravel(), ridge.noise)

        drift, learned = Drift(rate, gain, directions), None

    # Exactly zero where there is none, so that its rounding is not taken for a direction.
    eta = (sums.data / flow.noises - flow.samples * sums.centroid) * (flow.cluster_std > 0)
    bases = [
        np.stack([sums.centroid, sums.noise if learned is None else learned[k], eta]) for k in range(len(grid.times))
    ]
    accounts = [Account(basis) for basis in bases]
    mean, square, flips = np.zeros(dimension), 0.0, 0
    # The number of rows in a chunk depends on the dimension alone: it fixes the order of the random numbers.
    rows = max(1, _CHUNK // dimension)
    order = np.argsort(grid.nodes, kind="stable")
    for j, begin in enumerate(range(0, count, rows)):
        child = np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, 1, j))
        x = np.random.Generator(np.random.SFC64(child)).standard_normal((min(rows, count - begin), dimension))
        sign = np.where(overlaps(drift.directions(0, 1)[:1], x)[0] >= 0, 1.0, -1.0)
        done = 0
        for k in order:
            advance(x, drift, grid.lengths, grid.tableau, done, int(grid.nodes[k]))
            done = int(grid.nodes[k])
            accounts[k].add(x, sign, float(grid.radius[k]))
        mean += signed_sum(x, sign)
        square += float(np.einsum("ij,ij->", x, x))
        flips += int(np.sum(overlaps(ridge.data[None], x)[0] * sign < 0))
    along = {
        name: np.array([a.values()[name] for a in accounts[:-1]])
        for name in ("M", "Q_xi", "Q_eta", "perp", "Q", "cosine")
    }
    along["b"] = ridge.b(*ends)
    data_part, along["w_xi"] = ridge.coefficients(*ends)
    along["w_m"], along["w_eta"] = data_part * total, data_part * flow.noises
    final = final_values(flow, sums.centroid, eta, sums, mean / count, square, count)
    return along | final | {"mistakes": sums.mistakes, "flips": flips}


def _fresh_drift(training: TrainingSet, pattern: np.ndarray, grid: Grid) -> tuple[Drift, np.ndarray]:
    """Drift with noises redrawn at every Euler step, and −(learned noise)·√(Nd)/‖learned noise‖ at the wanted times.

    The noise that the points have absorbed is the same for all of them: it obeys the Euler recursion of one vector.
    """
    flow, d = training.flow, training.dimension
    total, steps = flow.samples * flow.noises, len(grid.lengths)
    sums = training.sums(pattern)
    rate, gain, u = np.empty((steps, 1)), np.empty((steps, 1)), np.empty((steps, d))
    absorbed, history = np.zeros(d), np.zeros((steps + 1, d))
    for k in range(steps):
        ridge = Ridge.of(training.redraw(sums, pattern, k + 1), total, flow.ridge, flow.skip)
        stage = (grid.alpha[k], grid.beta[k], grid.alpha_dot[k], grid.beta_dot[k])
        rate[k], gain[k], p, q = ridge.drift(*stage)
        u[k] = p * ridge.data + q * ridge.noise
        absorbed = absorbed + grid.lengths[k] * (rate[k] * absorbed + gain[k] * q * ridge.noise)
        history[k + 1] = absorbed
    norms = np.linalg.norm(history, axis=1, keepdims=True)
    learned = -history * np.sqrt(total * d) / np.where(norms > 0, norms, 1.0)
    return Drift(rate, gain, lambda first, last: u[first:last]), learned[grid.nodes]
