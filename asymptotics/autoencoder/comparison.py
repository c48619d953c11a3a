"""Theory against experiment: order parameters along τ and the generated density, with error bars and one verdict.

The theory holds at d → ∞. The experiment itself tells its O(1/d) bias: with a companion ensemble at d/4 the means are
extrapolated linearly in 1/d, and what is left is O(1/d²). Fluctuations of Q, Θ, M are O(1/√d) and of b O(1/d), so both
ensembles give one pooled estimate of the variance. No tolerance is adjusted by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import InputError
from ..common.distances import sliced_wasserstein
from ..common.verdict import Row, Verdict
from .chi_square import chi_square
from .density import GeneratedDensity
from .integration import kernels_of
from .path import OrderParameterPath
from .settings import Problem
from .simulation import Runs

#: Without a companion ensemble, the stated O(1/d) bias: this many times (1 + |theory|)/d.
BIAS = 10.0
#: After the extrapolation: this many times (1 + |theory|)/d², at the lower dimension.
CURVATURE = 10.0
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def combine(main: np.ndarray, low: np.ndarray, d: int, low_d: int, exponent: float | None) -> tuple[Any, Any, float]:
    """Mean extrapolated to 1/d → 0, its standard error and degrees of freedom.

    Parameters
    ----------
    main, low : (runs, ...)
        Values of every run at d and at low_d (no rows: no extrapolation).
    exponent : float or None
        Variances are pooled as Var × d^exponent; None: every ensemble has its own (Welch).
    """
    n = len(main)
    mean = main.mean(axis=0)
    own = main.var(axis=0, ddof=1) if n > 1 else np.full(mean.shape, np.nan)
    if len(low) < 2:
        return mean, np.sqrt(own / n), float(max(n - 1, 1))
    m = len(low)
    ratio = low_d / (d - low_d)
    estimate = mean - ratio * (low.mean(axis=0) - mean)
    other = low.var(axis=0, ddof=1)
    degrees = float(m - 1)
    if exponent is not None:
        pooled = (m - 1) * other * low_d**exponent
        if n > 1:
            pooled, degrees = pooled + (n - 1) * own * d**exponent, float(n + m - 2)
        pooled = pooled / degrees
        own, other = pooled / d**exponent, pooled / low_d**exponent
    first, second = (1 + ratio) ** 2 * own / n, ratio**2 * other / m
    if exponent is None:
        total = np.maximum(first + second, 1e-300)
        degrees = float(np.min(total**2 / (first**2 / max(n - 1, 1) + second**2 / (m - 1) + 1e-300)))
    return estimate, np.sqrt(first + second), degrees


def _allowance(theory: np.ndarray, runs: Runs) -> np.ndarray:
    scale = 1.0 + np.abs(theory)
    if len(runs.low_b) > 1:
        return CURVATURE * scale / (runs.dimension * runs.low_dimension)
    return BIAS * scale / runs.dimension


def order_parameter_rows(path: OrderParameterPath, runs: Runs) -> list[Row]:
    """One row for every order parameter and τ > 0."""
    rows = []
    for k, tau in enumerate(runs.tau):
        if tau == 0:
            continue
        at = path(min(float(tau), path.tau_max))
        upper = np.triu_indices(path.p)
        for name in Runs.NAMES:
            theory = np.asarray(getattr(at, name), dtype=np.float64)
            if theory.size == 0:
                continue
            main, low = getattr(runs, name)[:, k], getattr(runs, f"low_{name}")[:, k]
            if name == "Q":
                theory, main, low = theory[upper], main[:, *upper], low[:, *upper]
            exponent = 2.0 if name == "b" else 1.0
            mean, sem, degrees = combine(main, low, runs.dimension, runs.low_dimension, exponent)
            rows.append(Row(f"{name}({tau:.3g})", theory, mean, sem, _allowance(theory, runs), degrees))
    return rows


def _statistics(points: np.ndarray) -> np.ndarray:
    """Mean, covariance (upper triangle) and quantiles of the projections of one run."""
    upper = np.triu_indices(points.shape[1])
    covariance = np.atleast_2d(np.cov(points.T))[upper]
    return np.concatenate([points.mean(axis=0), covariance, np.quantile(points, QUANTILES, axis=0).T.ravel()])


def density_rows(law: GeneratedDensity, runs: Runs) -> list[Row]:
    """Mean, covariance and quantiles of the generated projections."""
    mean, covariance = law.moments()
    K = len(mean)
    theory = np.concatenate([mean, covariance[np.triu_indices(K)], law.quantiles(QUANTILES).T.ravel()])
    main = np.array([_statistics(points) for points in runs.generated])
    low = np.array([_statistics(points) for points in runs.low_generated]).reshape(-1, len(theory))
    estimate, sem, degrees = combine(main, low, runs.dimension, runs.low_dimension, None)
    allowance = _allowance(theory, runs)
    split = np.cumsum([K, K * (K + 1) // 2])
    names = ("generated mean", "generated covariance", "generated quantiles")
    parts = [np.split(x, split) for x in (theory, estimate, sem, allowance)]
    return [Row(name, parts[0][i], parts[1][i], parts[2][i], parts[3][i], degrees) for i, name in enumerate(names)]


def distance_test(law: GeneratedDensity, runs: Runs, seed: int = 1) -> tuple[float, float, float]:
    """``(distance, its null, p)``: sliced Wasserstein distance of each run's points to theory, against that to the other runs.

    If the theory is right, a sample of it is as close to a run as the other runs are. The null distance takes as many points
    from the other runs, so that sampling noise and the networks' own fluctuations are in both; the p-value is that of the
    paired differences (one-sided t-test).
    """
    from scipy.stats import t

    points = runs.generated
    R, n, K = points.shape
    predicted = law.sample(R * n, np.random.SeedSequence([seed, 2])).reshape(R, n, K)
    to_theory, to_runs = np.empty(R), np.empty(R)
    for r in range(R):
        others = [s for s in range(R) if s != r]
        to_theory[r] = sliced_wasserstein(points[r], predicted[others].reshape(-1, K), seed=seed)
        to_runs[r] = sliced_wasserstein(points[r], points[others].reshape(-1, K), seed=seed)
    difference = to_theory - to_runs
    error = difference.std(ddof=1) / np.sqrt(R)
    p = float(t.sf(difference.mean() / max(error, 1e-300), R - 1))
    return float(to_theory.mean()), float(to_runs.mean()), p


#: Above these numbers of encoder fields and clusters the predicted covariance takes minutes: `path.covariance` has it.
COVARIANCE_ENCODERS, COVARIANCE_CLUSTERS = 2, 6


def _check_cost(problem: Problem) -> None:
    encoders = len(kernels_of(problem).encoders)
    if encoders > COVARIANCE_ENCODERS or problem.target.clusters > COVARIANCE_CLUSTERS:
        raise InputError(
            f"{encoders} encoder fields, {problem.target.clusters} clusters: left out above {COVARIANCE_ENCODERS} and "
            f"{COVARIANCE_CLUSTERS}, where it takes minutes"
        )


def schedule_notes(problem: Problem, dimension: int) -> list[str]:
    """What SGD at this dimension cannot follow of the rate schedule."""
    schedule, step = problem.training.rate_schedule(), 2 * problem.training.learning_rate / dimension
    if schedule is None or schedule.narrowest > 4 * step:
        return []
    return [
        f"the schedule changes within {schedule.narrowest:.2g} of tau, about one SGD step (2 eta/d = {step:.2g}): each step takes "
        "its mean, so that gradients act as in the theory, but their squares (in Q) less; take a larger dimension"
    ]


def compare(path: OrderParameterPath, runs: Runs, problem: Problem, *, level: float = 0.01) -> Verdict:
    """All order parameters and, where points were generated, the generated density; one `Verdict`."""
    rows = order_parameter_rows(path, runs)
    notes, tests, details = [], [], {}
    if runs.data:
        notes.append(f"the experiment trained on samples ({runs.data}), not on the Gaussian target of the theory")
    if len(runs.low_b) > 1:
        notes.append(f"means are extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}")
    else:
        notes.append(f"no companion ensemble: a bias of {BIAS:g} (1 + |theory|)/d is allowed for")
    notes += schedule_notes(problem, runs.dimension)
    warning = path.stability.message(runs.dimension)
    if warning:
        notes.append(warning)
    details["stability"] = path.stability.to_table(runs.dimension)
    try:
        _check_cost(problem)
        test = chi_square(path, runs)
        tests.append(("order parameters: chi-square with the predicted covariance", test.p))
        notes.append(f"order parameters: {test}")
    except InputError as error:
        notes.append(f"no predicted covariance ({error})")
    if runs.generated.shape[1] > 1:
        at = path(min(float(runs.tau[-1]), path.tau_max))
        law = GeneratedDensity(problem, at)
        rows += density_rows(law, runs)
        if runs.runs > 2:
            distance, null, p = distance_test(law, runs)
            tests.append(("generated: sliced Wasserstein", p))
            details["sliced_wasserstein"] = {"distance": distance, "null": null, "p": p}
            notes.append(f"sliced Wasserstein distance run to theory {distance:.4f}, run to other runs {null:.4f}")
    return Verdict.of(rows, level=level, tests=tuple(tests), notes=tuple(notes), details=details)
