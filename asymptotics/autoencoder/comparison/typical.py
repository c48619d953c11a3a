"""Runs that leave an unstable path against the law of such runs: what no exchange or reflection of units changes, one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...common.output.power import detectable
from ...common.output.verdict import Row, Verdict
from ..finite_size.chi_square import default_taus
from ..process.ensemble import Runs
from ..solution import OrderParameterPath
from ..stability.leaving.typical import Typical, covered_by, of_path

#: Branches of the law that runs are compared with.
DRAWS = 32
#: Fewer runs say nothing about a law.
FEWEST = 3
#: Pairs of samples of which the power of a test is taken.
PAIRS = 400
#: Above this many order parameters a branch's noise takes long: the path is then compared alone.
LARGEST = 40


@dataclass(frozen=True)
class TypicalRuns:
    """The law of typical runs beside measured ones.

    Attributes
    ----------
    law : Typical
        At the recorded training times.
    rows : tuple of Row
        Means of |Θ| by direction and of tr Q, shown and not counted: runs of a mixture are far from Gaussian.
    tests : tuple of (str, float)
        p-values of the two-sample Kolmogorov–Smirnov test of the same quantities, at the last recorded τ and at half of it.
    values : dict
        Many values of the law of every tested quantity, by the test's name.
    branches, runs : int
        How many of either were compared.
    """

    law: Typical
    rows: tuple[Row, ...]
    tests: tuple[tuple[str, float], ...]
    values: dict[str, np.ndarray] = field(default_factory=dict)
    branches: int = DRAWS
    runs: int = 0

    def power(self, verdict: Verdict) -> dict[str, float]:
        """By how much runs would have to be larger in a tested quantity, relative, for its test to see it with probability 1/2."""
        return detectable(
            verdict, {}, {name: {name: seen(x, self.branches, self.runs)} for name, x in self.values.items()}
        )


def seen(values: np.ndarray, n: int, m: int) -> Callable[[float, float], float]:
    """Probability that the two-sample test of n values of a law and m runs rejects, where runs are larger by a relative change.

    Of pairs of samples drawn from the law: the distance of two empirical distribution functions has no simpler law off the
    hypothesis (at the true distance it is larger by the noise that it is the maximum of).

    Parameters
    ----------
    values : (many,)
        Of the law.
    n, m : int
    """
    from scipy.stats import kstwo

    rng = np.random.default_rng(0)
    own, runs = rng.choice(values, (PAIRS, n)), rng.choice(values, (PAIRS, m))
    steps = np.concatenate([np.full(n, 1.0 / n), np.full(m, -1.0 / m)])

    def probability(change: float, level: float) -> float:
        order = np.argsort(np.concatenate([own, (1 + change) * runs], axis=1), axis=1, kind="stable")
        distance = np.max(np.abs(np.cumsum(steps[order], axis=1)), axis=1)
        return float(np.mean(distance > kstwo.isf(level, max(1, round(n * m / (n + m))))))

    return probability


def leaves(path: OrderParameterPath, runs: Runs) -> float | None:
    """τ from which the runs have left an unstable path, None where they stay until the last recorded one (or the law is not there)."""
    left = path.stability.departure(runs.dimension)
    if runs.runs < FEWEST or left is None or left >= float(runs.tau[-1]) or runs.data or path.layout.size > LARGEST:
        return None
    if not covered_by(path.problem):
        return None
    return left


def typical_runs(path: OrderParameterPath, runs: Runs) -> TypicalRuns:
    """Rows and tests of runs against their law."""
    from scipy.stats import ks_2samp

    taus = np.minimum(runs.tau, path.tau_max)
    law = of_path(path, runs.dimension, DRAWS, 0, taus, runs.initial)
    # One value a branch: its noise is drawn once.
    sample, many = (law.unstacked(law.sample(*replicas)) for replicas in ((1,), ()))
    (theta, trace), (many_theta, many_trace), found = (
        (np.linalg.norm(Theta, axis=2), np.trace(Q, axis1=2, axis2=3))
        for Theta, Q in ((sample["Theta"], sample["Q"]), (many["Theta"], many["Q"]), (runs.Theta, runs.Q))
    )
    values: dict[str, np.ndarray] = {}
    rows, tests, tested = [], [], {int(k) for k in default_taus(runs.tau)}
    for k, tau in enumerate(runs.tau):
        if tau == 0:
            continue
        rows.append(Row.of_runs(f"typical |Theta|({tau:.3g})", theta[:, k].mean(axis=0), found[0][:, k], counted=False))
        rows.append(Row.of_runs(f"typical tr Q({tau:.3g})", trace[:, k].mean(), found[1][:, k], counted=False))
        if k in tested:
            for direction in range(path.K):
                name = f"typical |Theta_.{direction + 1}|({tau:.3g}): Kolmogorov-Smirnov"
                p_value = float(ks_2samp(theta[:, k, direction], found[0][:, k, direction]).pvalue)
                tests.append((name, p_value))
                values[name] = many_theta[:, k, direction]
            name = f"typical tr Q({tau:.3g}): Kolmogorov-Smirnov"
            tests.append((name, float(ks_2samp(trace[:, k], found[1][:, k]).pvalue)))
            values[name] = many_trace[:, k]
    return TypicalRuns(law, tuple(rows), tuple(tests), values, len(trace), len(found[1]))


def note(path: OrderParameterPath, runs: Runs, left: float) -> str:
    """What is compared instead of the path, in words."""
    how = "drew their weights anew" if runs.initial == "drawn" else "started from exactly the same overlaps"
    return (
        f"runs ({how}) leave the path near tau = {left:.3g}: they are compared with the law of typical runs, {DRAWS} branches with "
        "their own noise and bias of order 1/d; the path's order parameters are shown and not counted"
    )
