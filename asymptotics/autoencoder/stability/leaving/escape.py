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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import integer, number
from ....common.output.results import Result, to_builtin
from ....common.running.checkpoints import Checkpoint
from ...model.problem import Problem
from ...theory import solve
from ..covered import FIXED, FLOW, live
from .orbits import ROUGH, Lift, Orbits
from .saddle import Saddle, longer, saddle_of

#: Probabilities at which the law is tabulated.
LEVELS = (np.arange(400) + 0.5) / 400
#: Directions in a growing space of several dimensions (of two: equally spaced), and amplitudes for which orbits are integrated.
DIRECTIONS, AMPLITUDES = 48, 8
#: Draws of what scatters beside one growing overlap, each with both signs.
SIDES = 8
#: Runs are given this long beyond the last tabulated quantile, in units of 1/γ: e to minus this of the last have not escaped then.
LATE = 5.0


@dataclass(frozen=True)
class Escape(Result):
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
    measured : dict
        By "chain" and "simulation": mean, sem, std, runs, and how many had not escaped in time.
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
    measured: dict[str, dict[str, float]]
    version: str

    def __getitem__(self, name: str) -> Any:
        if name not in self._kept():
            raise KeyError(name)
        return getattr(self, name)

    def quantile(self, level: Any) -> Any:
        """Time before which that share of the runs has escaped."""
        return np.interp(level, self.levels, self.quantiles)

    def cdf(self, tau: ArrayLike) -> Any:
        """Share of the runs that have escaped at τ."""
        return np.interp(np.asarray(tau, dtype=float), self.quantiles, self.levels, left=0.0, right=1.0)

    def to_json(self) -> dict[str, Any]:
        fields = {name: value for name, value in self._kept().items() if name not in ("levels", "quantiles")}
        levels = (0.05, 0.25, 0.5, 0.75, 0.95)
        return dict(to_builtin({**fields, "levels": levels, "quantiles": self.quantile(np.array(levels))}))

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
            late = f", {found['late']:.0f} not in time" if found["late"] else ""
            lines.append(
                f"{name}: {found['mean']:.4f} ± {found['sem']:.4f}, standard deviation {found['std']:.4f} ({found['runs']:.0f} runs{late})"
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
    from .... import __version__
    from .measured import escape_times

    d = integer("dimension", problem.simulation.dimension if dimension is None else dimension, at_least=2)
    number("threshold", threshold, above=0)
    saddle = saddle_of(live(problem, "the escape from a saddle", (*FLOW, *FIXED)), initial)
    if saddle.resting and not saddle.slower:
        mean, std, quantiles = law_at_rest(saddle, d, threshold)
    else:
        mean, std, quantiles = law_along(grown(saddle, d, threshold), d, threshold)
    found: dict[str, np.ndarray] = {}
    measured: dict[str, dict[str, float]] = {}
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
            measured[name] = statistics(found[name])
    return Escape(
        rate=saddle.rate, direction=saddle.spectrum.direction, mean=mean, std=std, dimension=d, threshold=threshold,
        effective=effective(saddle), degeneracy=len(saddle.left), theta=saddle.theta, vector=entries(saddle),
        resting=saddle.resting, initial=saddle.initial, levels=LEVELS, quantiles=quantiles, measured=measured,
        chain=found["chain"], simulation=found["simulation"], version=__version__,
    )  # fmt: skip


def statistics(times: np.ndarray) -> dict[str, float]:
    """Mean, its standard error and standard deviation of those that escaped in time; how many there are and how many did not."""
    kept = times[np.isfinite(times)]
    std = float(kept.std(ddof=1)) if len(kept) > 1 else float("nan")
    mean = float(kept.mean()) if len(kept) else float("nan")
    sem = std / float(np.sqrt(max(len(kept), 1)))
    return {"mean": mean, "sem": sem, "std": std, "runs": float(len(times)), "late": float(len(times) - len(kept))}


def entries(saddle: Saddle) -> dict[str, float]:
    """The leading direction's entries above a hundredth of the largest, by name, of unit norm over (Θ, Q, b)."""
    theta, q, b, _ = saddle.flow.layout.unpack(saddle.right[:, 0])
    named = {f"Theta_{a + 1}{k + 1}": v for (a, k), v in np.ndenumerate(theta.sum(axis=0))}
    named |= {f"Q_{a + 1}{c + 1}": v for (a, c), v in np.ndenumerate(q.sum(axis=0)) if a <= c}
    named |= {"b" if np.ndim(b) == 0 else f"b_{k + 1}": float(v) for k, v in enumerate(np.atleast_1d(b))}
    norm = float(np.linalg.norm(list(named.values())))
    kept = {name: float(v) / norm for name, v in named.items() if abs(v) > 0.01 * norm}
    return dict(sorted(kept.items(), key=lambda item: -abs(item[1])))


def _gram(saddle: Saddle) -> np.ndarray:
    """Θ·Θ of the growing directions, (m, m)."""
    flat = saddle.theta.reshape(len(saddle.left), -1)
    return np.asarray(flat @ flat.T)


def _growth(saddle: Saddle) -> float:
    """log of the growth from the start to the end of the path, in the leading direction."""
    if saddle.resting:
        return 0.0
    from ...finite_size.fluctuations import fluctuations
    from .orbits import backward

    f = fluctuations(saddle.path, initial=saddle.initial)
    forms = backward(f, saddle.left, len(f.knots) - 1)
    theta = np.concatenate(
        [np.arange(s.start, s.stop) for s in map(saddle.flow.layout.theta, range(saddle.flow.layout.atoms))]
    )
    return float(np.log(np.linalg.norm(forms[:, theta], 2) / np.linalg.norm(saddle.left[:, theta], 2)))


def effective(saddle: Saddle) -> float:
    """C_eff: the mean square amplitude, over d, taken back to the start by the growth along the path."""
    square = float(np.trace(_gram(saddle) @ saddle.covariance)) / len(saddle.left)
    return square * float(np.exp(-2 * _growth(saddle)))


def _directions(m: int, beside: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors spread over the sphere in R^m, (n, m), each with numbers (n, beside) of a standard Gaussian."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    rng = np.random.default_rng(0)
    if m > 2:
        z = ndtri(qmc.Sobol(m + beside, rng=rng).random_base2(6))
        return np.asarray(z[:, :m] / np.linalg.norm(z[:, :m], axis=1, keepdims=True)), z[:, m:]
    if m == 2:
        angles = 2 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        found = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        # Both signs: they need not look the same to the network.
        found = np.tile([[1.0], [-1.0]], (SIDES if beside else 1, 1))
    if not beside:
        return found, np.zeros((len(found), 0))
    return found, np.asarray(ndtri(qmc.LatinHypercube(beside, rng=rng).random(len(found))))


def _norms(levels: np.ndarray, m: int) -> np.ndarray:
    """Quantiles of the norm of m independent Gaussian numbers."""
    from scipy.stats import chi

    return np.asarray(chi.ppf(levels, m))


def law_at_rest(saddle: Saddle, d: float, threshold: float) -> tuple[float, float, np.ndarray]:
    """(mean, standard deviation, quantiles) of the escape time from a saddle on which the path rests."""
    from scipy.special import digamma, polygamma

    m, gamma = len(saddle.left), saddle.rate
    orbits, root = Orbits(saddle, threshold), np.linalg.cholesky(saddle.covariance)
    gram, parts = _gram(saddle), []
    for n in _directions(m)[0]:
        along = root @ n
        size = float(np.sqrt(along @ gram @ along))
        parts.append(orbits.from_rest(along / size) - np.log(size) / gamma)
    of_direction = np.array(parts) + np.log(d) / (2 * gamma)
    mean = float(of_direction.mean() - (digamma(m / 2) + np.log(2)) / (2 * gamma))
    std = float(np.sqrt(of_direction.var() + polygamma(1, m / 2) / (4 * gamma**2)))
    fine = (np.arange(4000) + 0.5) / 4000
    times = of_direction[:, None] - np.log(_norms(fine, m)) / gamma
    return mean, std, np.quantile(times, LEVELS)


def law_along(saddle: Saddle, d: float, threshold: float) -> tuple[float, float, np.ndarray]:
    """The same where the path is still on its way, or more grows than what grows fastest: orbits of runs drawn at an early time."""
    from scipy.interpolate import PchipInterpolator

    orbits, lift = Orbits(saddle, threshold, ROUGH), Lift(saddle, d, threshold)
    m = lift.overlaps.shape[1]
    fine = (np.arange(4000) + 0.5) / 4000
    norms = np.log(_norms(fine, m))
    grid = np.linspace(norms[0], norms[-1], AMPLITUDES)
    times = []
    for n, beside in zip(*_directions(m, lift.beside.shape[1]), strict=True):
        at = [orbits.time(lift.tau, lift.state(np.exp(x) * n, beside)) for x in grid]
        times.append(PchipInterpolator(grid, at)(norms))
    sample = np.array(times)
    return float(sample.mean()), float(sample.std()), np.quantile(sample, LEVELS)


def grown(saddle: Saddle, d: float, threshold: float) -> Saddle:
    """The same saddle with its path followed until runs have left it."""
    square = float(np.trace(_gram(saddle) @ saddle.covariance))
    tau = (np.log(threshold) + np.log(d / square) / 2 + 1) / saddle.rate
    if saddle.path.tau_max >= tau:
        return saddle
    return replace(saddle, path=solve(longer(saddle.path.problem, tau), progress=False))
