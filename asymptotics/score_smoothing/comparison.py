"""Theory against particles: masses, distances and the whole distribution function."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.input.checks import InputError, present
from ..common.output.power import detectable
from ..common.output.verdict import LEVEL, Row, Verdict
from .laws.experiment import law_of
from .laws.law import Law
from .problem import Problem
from .process.observation import Observed, observed, start_positions
from .settings import ScoreSmoothing, Simulation
from .simulation import Particles
from .theory import Solution, solve

#: Particles on which the step error of Heun's rule is measured.
_PROBE = 20_000
#: Expected count in a run from which on its fraction is Gaussian enough for Student's t.
_COUNT = 25
#: Relative change of an input by which the theory is differentiated.
_CHANGE = 1e-3
_HEUN = "numerical error: Heun's rule, next order of the step"
KS = "Kolmogorov-Smirnov"
#: Counts over the number of particles.
FRACTIONS = ("atoms", "interpolated_mass", "memorised")


def kolmogorov_smirnov(sample: np.ndarray, below: np.ndarray, upto: np.ndarray) -> tuple[float, float]:
    """(D, p) of a sorted sample against P(X < x) and P(X <= x) at the sample, exact law of D at this sample size."""
    from scipy.stats import kstwo

    n = sample.size
    grid = np.arange(n + 1) / n
    distance = max(float(np.max(grid[1:] - upto)), float(np.max(below - grid[:-1])), 0.0)
    return distance, float(kstwo.sf(distance, n))


def wasserstein_terms(law: Law, samples: int) -> tuple[float, float]:
    r"""E W₁ − W₁ and E W₂² − W₂² of the empirical law of N independent particles to the uniform law on [y_1, y_n] (length L).

    W₂² is a sum of squares and an L-statistic, whose mean is exact: the term is L E|X − X'|/(2N) = L ∫ F(1 − F)/N. W₁ = ∫ |F_N − G|
    has E|F_N − G| > |F − G| where the two meet: the mean of a folded Gaussian of variance F(1 − F)/N, integrated.
    """
    y = law.points
    length = float(y[-1] - y[0])
    # Fine where the law varies: near the points on the scale of √s, in the gaps evenly.
    inner = np.sqrt(max(law.end, 1e-300)) * law.scale * np.linspace(-10, 10, 401)
    near = (y[:, None] + inner).ravel()
    x = np.unique(np.concatenate([near, np.linspace(y[0], y[-1], 4001 * (y.size - 1))]))
    f = np.clip(law.cdf(x), 0.0, 1.0)
    variance = f * (1 - f)
    second = length * float(np.trapezoid(variance, x)) / samples
    inside = (x >= y[0]) & (x <= y[-1])
    d, s = np.abs(f - (x - y[0]) / length)[inside], np.sqrt(variance / samples)[inside]
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(s > 0, d / np.where(s > 0, s, 1.0), np.inf)
    folded = s * np.sqrt(2 / np.pi) * np.exp(-(np.minimum(ratio, 40.0) ** 2) / 2) - 2 * d * ndtr(-ratio)
    return float(np.trapezoid(folded, x[inside])), second


def _predict(settings: ScoreSmoothing, within: float, samples: int) -> dict[str, np.ndarray]:
    """Means of what a run of ``samples`` particles measures, by name; without the step error."""
    there = solve(Problem(settings), within=within)
    values = {name: getattr(there, name) for name in FRACTIONS}
    if settings.curve == "line":
        law = present(law_of(settings), "law")
        first, second = wasserstein_terms(law, samples)
        values |= {"w1": there.w1_tangential + first, "w2_squared": there.w2**2 + second}
    return {name: np.asarray(v) for name, v in values.items()}


def _measured(values: Observed | Particles) -> dict[str, np.ndarray]:
    """By the names of `_predict`: W₂², whose mean is known, instead of W₂."""
    found = {name: np.asarray(getattr(values, name)) for name in (*FRACTIONS, "w1")}
    return found | {"w2_squared": np.asarray(values.w2) ** 2}


def step_error(settings: ScoreSmoothing, plan: Simulation, within: float) -> tuple[dict[str, np.ndarray], float]:
    """What Heun's rule adds to each quantity, and to the distribution function at most (0 on the circle).

    Measured on the same particles with the step and with a quarter of it: the error is of second order, so that 16/15 of the
    difference is left of the first.
    """
    plan = plan.replace(samples=_PROBE)
    begun = start_positions(np.random.default_rng(1), settings, plan, even=True)
    coarse, fine = (
        observed(settings, plan.replace(steps=steps), within, *begun) for steps in (plan.steps, 4 * plan.steps)
    )
    error = {name: (value - _measured(fine)[name]) * 16 / 15 for name, value in _measured(coarse).items()}
    if settings.curve == "circle":
        return error, 0.0
    a, b = np.sort(coarse.positions), np.sort(fine.positions)
    places = np.concatenate([a, b])
    shift = np.searchsorted(a, places, side="right") - np.searchsorted(b, places, side="right")
    return error, float(np.max(np.abs(shift))) / _PROBE * 16 / 15


def compare(theory: Solution, runs: Particles, *, level: float = LEVEL) -> Verdict:
    """Verdict on atoms, memorised fraction, distances, and a Kolmogorov–Smirnov test on the line, which has half of the level.

    The prediction is the theory at the time where the particles stopped, with the finite number of particles
    (`wasserstein_terms`) and the step of Heun's rule (`step_error`) in it. A tenth of the step error is allowed for its next
    order, and one particle of those on which it was measured; the Kolmogorov–Smirnov distance is reduced by the whole of it.

    Raises
    ------
    InputError
        If the two come from different experiments.
    """
    if theory.experiment["score_smoothing"] != runs.experiment["score_smoothing"]:
        raise InputError("compare: theory and simulation come from different score_smoothing tables")
    problem = Problem.from_tables(runs.experiment)
    settings, plan = problem.score_smoothing, problem.simulation
    samples = runs.positions.shape[1]
    step = 0.5 * math.log(settings.start_time / runs.end_time) / plan.steps
    notes = [f"particles stopped at t = {runs.end_time:g}; Heun step {step:.3g} in lambda"]
    if settings.kernel == "angular":
        return _angular(runs, level, notes)
    settings = settings.replace(end_time=runs.end_time)
    expected = _predict(settings, runs.within, samples)
    error, shift = step_error(settings, plan, runs.within)
    per_run = _measured(runs)
    rows, tests, not_tested = [], [], []
    for name, value in expected.items():
        values, known = per_run[name], value + error[name]
        fraction = name in FRACTIONS
        allowance = np.abs(error[name]) / 10 + (1 / _PROBE if fraction else 0.0)
        few = fraction and bool(np.any(samples * np.minimum(value, 1 - value) < _COUNT))
        if not np.all(np.isfinite(value)):
            not_tested.append((name, "the theory has no number for it"))
        elif few and name != "interpolated_mass":
            tests += _binomial(name, values, np.clip(known, 0.0, 1.0), samples, allowance)
        elif name == "w2_squared":
            rows.append(_root_row(known, values, allowance))
        else:
            # The interpolated mass is one minus the atoms.
            counted = name != "interpolated_mass"
            rows.append(Row.of_runs(name, known, values, allowance=allowance, source=_HEUN, counted=counted))
    not_tested.append(("polygon_distance", "no closed form of the mean distance to the curve is derived here"))
    details: dict[str, Any] = {}
    shares = {}
    sample = np.sort(runs.positions.ravel())
    if settings.curve == "line":
        law = present(law_of(settings), "law")
        from scipy.stats import kstwo

        upto = law.cdf(sample)
        distance, _ = kolmogorov_smirnov(sample, upto, upto)
        tests.append((KS, float(kstwo.sf(max(distance - shift, 0.0), sample.size))))
        shares[KS] = 0.5
        details |= {"ks_statistic": math.sqrt(sample.size) * distance, "ks_step_error": shift}
    else:
        not_tested += [(name, "along the polygon; the particles are near it, not on it") for name in ("w1", "w2")]
    verdict = Verdict.of(rows, level=level, tests=tuple(tests), shares=shares, not_tested=tuple(not_tested),
                         notes=tuple(notes), details=details)  # fmt: skip
    return dataclasses.replace(verdict, power=_power(verdict, settings, runs.within, samples, sample))


def _root_row(square: np.ndarray, squares: np.ndarray, allowance: np.ndarray) -> Row:
    """W₂ itself: a square root of a fluctuating W₂² is smaller on average, by its relative variance r over 8."""
    relative = float(np.var(squares, ddof=1)) / float(square) ** 2
    root = np.sqrt(square)
    allowance = allowance / (2 * root) + root * (relative**1.5 / 16 + relative**2 / 8)
    source = _HEUN + "; finite-size term: next order of the square root of W2²"
    return Row.of_runs("w2", root * (1 - relative / 8), np.sqrt(squares), allowance=allowance, source=source)


def _angular(runs: Particles, level: float, notes: list[str]) -> Verdict:
    """No closed form at finite time: only the symmetry between the vertices is a prediction."""
    reason = "angular window: no closed form at t > 0, the theory's fields are the limit t -> 0 (metastability)"
    names = (*FRACTIONS, "polygon_distance")
    caught = runs.atoms.sum(axis=1, keepdims=True)
    if not np.all(caught * runs.positions.shape[1] >= _COUNT * runs.atoms.shape[1]):
        reason += "; too few particles at the vertices for their symmetry"
        return Verdict.of([], level=level, not_tested=tuple((name, reason) for name in names), notes=tuple(notes))
    share = runs.atoms / caught
    row = Row.of_runs("share of each vertex", np.full(share.shape[1], 1.0 / share.shape[1]), share)
    return Verdict.of([row], level=level, not_tested=tuple((name, reason) for name in names), notes=tuple(notes))


def _binomial(
    name: str, values: np.ndarray, expected: np.ndarray, samples: int, allowance: np.ndarray
) -> list[tuple[str, float]]:
    """Exact tests of the pooled counts where a run's fraction is not Gaussian; the allowance moves the expectation."""
    from scipy.stats import binom

    total = samples * len(values)
    counts = np.rint(np.atleast_1d(values.mean(axis=0)) * total)
    tests = []
    known = np.broadcast_arrays(np.atleast_1d(expected), allowance)
    for k, (count, p, allowed) in enumerate(zip(counts, *known, strict=True)):
        least, most = max(p - allowed, 0.0), min(p + allowed, 1.0)
        tail = 2 * min(binom.cdf(count, total, least), binom.sf(count - 1, total, most))
        tests.append((name if counts.size == 1 else f"{name}[{k}]", float(min(tail, 1.0))))
    return tests


def _power(
    verdict: Verdict, settings: ScoreSmoothing, within: float, samples: int, sample: np.ndarray
) -> dict[str, float]:
    """Relative changes of κ and t₀ that this comparison would have seen with probability 1/2."""
    here = _predict(settings, within, samples)
    shifts: dict[str, list[Any]] = {}
    tests: dict[str, dict[str, Callable[[float, float], float]]] = {}
    names = ("start_time",) if settings.kernel == "none" else ("kappa", "start_time")
    for name in names:
        # Down: up may be beyond the critical time; t₀ must stay above the end.
        changed = getattr(settings, name) * (1 - _CHANGE)
        if name == "start_time" and changed <= settings.end_time:
            continue
        other = settings.replace(**{name: changed})
        there = _predict(other, within, samples)
        key = f"score_smoothing.{name}"
        shifts[key] = [(_value(there, row.name) - _value(here, row.name)) / -_CHANGE for row in verdict.rows]
        if settings.curve == "line":
            law, moved = present(law_of(settings), "law"), present(law_of(other), "law")
            at = sample[:: max(1, sample.size // 2000)]
            before = law.cdf(at)
            change = np.abs(moved.cdf(at) - before) / _CHANGE
            k = int(np.argmax(change))
            tests[key] = {KS: _ks_detection(float(change[k]), float(before[k]), sample.size)}
    return detectable(verdict, shifts, tests)


def _value(predicted: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.sqrt(predicted["w2_squared"]) if name == "w2" else predicted[name]


def _ks_detection(shift: float, share: float, count: int) -> Callable[[float, float], float]:
    """A lower bound: the deviation at the place of the largest shift alone, Gaussian with variance F(1 − F)/N."""
    from scipy.stats import kstwo, norm

    spread = math.sqrt(max(share * (1 - share), 1e-12) / count)

    def probability(change: float, level: float) -> float:
        return float(norm.sf((kstwo.isf(level, count) - change * shift) / spread))

    return probability
