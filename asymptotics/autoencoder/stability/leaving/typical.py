"""The law of runs at finite dimension that leave an unstable path: a mixture over the directions in which they do.

A symmetric path through a saddle is exact at d → ∞ and the path of no run. Runs are Gaussian around it in the linear stage,
N(y(τ₁) + m₁/d, C(τ₁)/d); each then follows the flow from its own state there, with its own noise N(m₁/d, C/d) on the way. The
law is right up to relative corrections of the order of the squared spread at τ₁ and of 1/d on every branch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, integer
from ....common.output.plain import printed
from ....common.output.results import Result, dataframe
from ....common.running import progress as _progress
from ....common.running.checkpoints import Checkpoint
from ...equations.derivative.layout import Layout
from ...equations.training_path.path import TrainingPath
from ...finite_size.bias import bias
from ...finite_size.chi_square import stacked
from ...finite_size.fluctuations import fluctuations
from ...model.problem import Problem
from ...theory import solve
from ..covered import FIXED, FLOW, covers, live
from .branches import Branches, leaving
from .saddle import default_start

#: Times at which the law is kept unless others are asked for.
TIMES = 41
#: What is asked for, and the settings with which it is there.
WHAT, COVERED = "typical runs", (*FLOW, *FIXED)
#: Noise is added so many times to every draw for quantiles and tests.
REPLICAS = 16
#: Levels of the quantiles.
LEVELS = (0.1, 0.5, 0.9)
#: Two branches end alike where Q's eigenvalues and Θ's singular values differ by less than this, relative.
ALIKE = 0.15


@dataclass(frozen=True)
class Typical(Result):
    """The law of typical runs: branches, and what the noise makes of each.

    Attributes
    ----------
    tau : (times,)
    Theta, Q : (draws, times, p, K), (draws, times, p, p)
    b, parameters : (draws, times) or (draws, times, basis), (draws, times, n)
        The branches, each with its own bias of order 1/d.
    covariance : (draws, times, m, m)
        Covariance at dimension d of (Θ row by row, upper triangle of Q, b, κ) about each branch.
    dimension, seed : int
    leaving : float
        τ₁: runs are drawn there; before, all are on the path with its own C/d.
    unstable : bool
        Whether runs leave the path at all; if not there is one branch, the path itself.
    initial : str
        "exact" or "drawn".
    """

    tau: np.ndarray
    Theta: np.ndarray
    Q: np.ndarray
    b: np.ndarray
    parameters: np.ndarray
    covariance: np.ndarray
    dimension: int
    seed: int
    leaving: float
    unstable: bool
    initial: str
    seconds: float

    @property
    def draws(self) -> int:
        """Number of branches."""
        return len(self.b)

    @property
    def stacked(self) -> np.ndarray:
        """(Θ row by row, upper Q, b, κ) of every branch, (draws, times, m)."""
        return stacked(self, self.Q.shape[-1])

    def unstacked(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """By name what `stacked` has in its last axis."""
        (p, K), basis = self.Theta.shape[-2:], 1 if self.b.ndim == 2 else self.b.shape[-1]
        return _by_name(Layout(1, p, K, self.parameters.shape[-1], basis), values)

    def mean(self, name: str) -> np.ndarray:
        """Mean of Theta, Q, b or parameters at every τ."""
        return np.asarray(getattr(self, name).mean(axis=0))

    def std(self, name: str) -> np.ndarray:
        """Standard deviation of one run: between branches and on them."""
        return np.sqrt(np.maximum(getattr(self, name).var(axis=0) + self._own(name), 0.0))

    def _own(self, name: str) -> np.ndarray:
        """Mean variance on a branch of every entry of a field."""
        return self.unstacked(np.diagonal(self.covariance, axis1=2, axis2=3).mean(axis=0))[name]

    @property
    def rms(self) -> np.ndarray:
        """Root mean square of Θ over runs and units in every reference direction, (times, K)."""
        return np.sqrt((np.mean(self.Theta**2, axis=0) + self._own("Theta")).mean(axis=1))

    def sample(self, replicas: int = REPLICAS) -> np.ndarray:
        """Runs of this law at every τ by itself (not as paths): (draws × replicas, times, m)."""
        values, axes = np.linalg.eigh(self.covariance)
        root = axes * np.sqrt(np.maximum(values, 0.0))[..., None, :]
        rng = np.random.default_rng([self.seed, 1])
        z = rng.standard_normal((replicas, self.draws, 1, root.shape[-1]))
        out = self.stacked + np.einsum("dtij,rdxj->rdti", root, z)
        return np.asarray(out.reshape(replicas * self.draws, *out.shape[2:]))

    def quantiles(self, levels: Sequence[float] = LEVELS) -> np.ndarray:
        """Quantiles of (|Θ| row by row, upper Q, b, κ) of one run, (levels, times, m)."""
        runs = self.sample()
        n = int(np.prod(self.Theta.shape[-2:]))
        runs[..., :n] = np.abs(runs[..., :n])
        return np.asarray(np.quantile(runs, levels, axis=0))

    @property
    def ends(self) -> list[dict[str, Any]]:
        """Where branches end: {share, Theta, Q} of each group of end points that are images of each other, the largest first."""
        ends = np.linalg.eigvalsh(self.Q[:, -1]), np.linalg.svd(self.Theta[:, -1], compute_uv=False)
        keys = np.concatenate(ends, axis=1)
        groups: list[list[int]] = []
        for k, key in enumerate(keys):
            for group in groups:
                if np.max(np.abs(key - keys[group[0]])) < ALIKE * (1e-3 + np.max(np.abs(keys[group[0]]))):
                    group.append(k)
                    break
            else:
                groups.append([k])
        groups.sort(key=len, reverse=True)
        return [
            {"share": len(g) / self.draws, "Theta": self.Theta[g[0], -1], "Q": self.Q[g, -1].mean(axis=0)}
            for g in groups
        ]

    def to_json(self) -> dict[str, Any]:
        p, K = self.Theta.shape[-2:]
        q = self.quantiles()
        fields: dict[str, Any] = {"tau": self.tau}
        for key, statistic in (("mean", self.mean), ("std", self.std)):
            fields[key] = {name: statistic(name) for name in ("Theta", "Q", "b", "parameters")}
        fields["rms"] = {"Theta": self.rms}
        fields["quantiles"] = {"levels": LEVELS, "abs_Theta": q[..., : p * K].reshape(len(LEVELS), -1, p, K)}
        fields["ends"] = self.ends
        names = ("dimension", "draws", "seed", "leaving", "unstable", "initial", "seconds")
        return {**fields, **{name: getattr(self, name) for name in names}}

    def to_dataframe(self) -> Any:
        """Means, standard deviations and root mean squares, one row a τ (needs pandas)."""
        columns = {
            f"{key}_{name}": of(name)
            for name in ("Theta", "Q", "b")
            for key, of in (("mean", self.mean), ("std", self.std))
        }
        return dataframe({"tau": self.tau, **columns, "rms_Theta": self.rms})

    def summary(self) -> str:
        how = "weights drawn anew" if self.initial == "drawn" else "exact initial overlaps"
        head = f"typical runs at d = {self.dimension} ({how}): "
        head += (
            f"{self.draws} branches from tau = {self.leaving:z.3g} on" if self.unstable else "they stay near the path"
        )
        lines = [head]
        for k in np.unique(np.linspace(0, len(self.tau) - 1, 5).astype(int)):
            q, std = (printed(np.diag(of("Q")[k]), 4) for of in (self.mean, self.std))
            rms = printed(self.rms[k], 4)
            lines.append(f"tau = {self.tau[k]:<8.4g} rms Theta by direction {rms}  diag Q {q} ± {std} between runs")
        for group in self.ends[:4] if self.unstable else ():
            theta, q = printed(group["Theta"], 4), printed(np.diag(group["Q"]), 4)
            lines.append(f"{100 * group['share']:.0f} % end like Theta = {theta}, diag Q = {q}")
        return "\n".join(lines)


def _by_name(layout: Layout, values: np.ndarray) -> dict[str, np.ndarray]:
    theta, q, b, kappa = layout.unpack(values)
    return {"Theta": theta[..., 0, :, :], "Q": q[..., 0, :, :], "b": b, "parameters": kappa}


def typical(
    problem: Problem,
    *,
    dimension: int | None = None,
    draws: int = 64,
    seed: int = 0,
    tau: ArrayLike | None = None,
    initial: str | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Typical:
    """The law of runs at dimension d, also where they leave an unstable path.

    Parameters
    ----------
    problem : Problem
    dimension : int, optional
        d; default that of the simulation.
    draws : int
        Branches.
    seed : int
    tau : sequence of float, optional
        Training times at which the law is kept; default 41 equally spaced ones.
    initial : {"exact", "drawn"}, optional
        As in `escape`.
    progress : bool, optional
    workers, checkpoint
        Not used: branches take seconds.

    Raises
    ------
    InputError
        If an argument is not allowed, or the fluctuations of this problem are not available.
    """
    d = integer("dimension", problem.simulation.dimension if dimension is None else dimension, at_least=2)
    integer("draws", draws, at_least=1)
    integer("seed", seed, at_least=0)
    initial = default_start(problem, initial)
    if not covered_by(problem):
        live(problem, WHAT, COVERED)
        raise InputError(f"training.schedule: {WHAT} need an expression in tau, not a table")
    problem = live(problem, WHAT, COVERED)
    taus = problem.training.recorded(tau, TIMES)
    return of_path(
        solve(problem, progress=False), d, draws, seed, np.minimum(taus, problem.training.tau), initial, progress
    )


def covered_by(problem: Problem) -> bool:
    """Whether the law of typical runs is available: a branch is a training of its own, which begins later."""
    schedule = problem.training.schedule
    return covers(problem, COVERED) and (schedule is None or isinstance(schedule, str))


def of_path(
    path: TrainingPath, d: int, draws: int, seed: int, taus: np.ndarray, initial: str, progress: bool | None = False
) -> Typical:
    """The law of runs around a solved path (kept with the path after the first call)."""
    kept = path.__dict__.setdefault("_typical", {})
    key = (d, draws, seed, tuple(map(float, taus)), initial)
    if key not in kept:
        problem = live(path.problem, WHAT, COVERED)
        if problem is not path.problem:
            path = solve(problem, progress=False)
        kept[key] = _law(path, d, draws, seed, taus, initial, progress)
    found: Typical = kept[key]
    return found


def _law(
    path: TrainingPath, d: int, draws: int, seed: int, taus: np.ndarray, initial: str, progress: bool | None
) -> Typical:
    begin, totals, until = time.perf_counter(), path.layout.totals(), path.stability.departure(d)
    start = leaving(path, d, initial, until) if until is not None else None
    early = np.full(len(taus), True) if start is None else taus <= start.tau
    f, m1 = fluctuations(path, initial=initial), bias(path, d, initial=initial)
    before = [(totals @ path.state(float(t)) + m1(float(t)), f.covariance(float(t), d)) for t in taus[early]]
    of_branch = [before]
    if start is not None:
        of_branch, branches, rng = [], Branches(path, start, d), np.random.default_rng([seed, 2])
        with _progress.bar(draws, "branches", enabled=progress, unit="branch") as watch:
            for y in start.draw(draws, seed):
                rest: list[tuple[np.ndarray, np.ndarray]] = []
                for piece in branches.pieces(y, rng):
                    upto = taus[~early][len(rest) :]
                    for t in upto[upto <= piece.stop * (1 + 1e-12)]:
                        s = min(float(t) - piece.start, piece.path.tau_max)
                        mean = totals @ piece.path.state(s) + piece.bias(s)
                        rest.append((mean, piece.fluctuations.covariance(s, d)))
                of_branch.append(before + rest)
                watch.update()
    means, covariances = (np.array([[at[k] for at in branch] for branch in of_branch]) for k in range(2))
    return Typical(
        tau=taus, **_by_name(replace(path.layout, atoms=1), means), covariance=covariances, dimension=d, seed=seed,
        leaving=0.0 if start is None else start.tau, unstable=until is not None, initial=initial,
        seconds=time.perf_counter() - begin,
    )  # fmt: skip
