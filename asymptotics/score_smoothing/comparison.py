"""Theory against particles: masses, distances and the whole distribution function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import InputError, present
from ..common.verdict import Row, Verdict
from .settings import ScoreSmoothing
from .simulation import Particles
from .theory import Solution, law_of, solve


def discretisation(runs: Particles) -> float:
    """Relative error of Heun's rule over the whole way, exp(|λ₁ − λ₀| h²/6) − 1 with step h in λ (exact e^{−h} per step)."""
    span = 0.5 * math.log(float(runs.settings["start_time"]) / runs.end_time)
    step = span / int(runs.simulation["steps"])
    return math.expm1(span * step**2 / 6)


def kolmogorov_smirnov(sample: np.ndarray, below: np.ndarray, upto: np.ndarray) -> tuple[float, float]:
    """(√N D, p) of a sorted sample against P(X < x) and P(X <= x) at the sample, asymptotic Kolmogorov law."""
    from scipy.special import kolmogorov

    n = sample.size
    grid = np.arange(n + 1) / n
    distance = max(float(np.max(grid[1:] - upto)), float(np.max(below - grid[:-1])), 0.0)
    statistic = math.sqrt(n) * distance
    return statistic, float(kolmogorov(statistic))


def compare(theory: Solution, runs: Particles) -> Verdict:
    """Verdict on atoms, interpolated mass, memorised fraction, distances, and a Kolmogorov–Smirnov test on the line.

    The theory is evaluated at the time where the particles stopped. Stated allowances: half the relative discretisation error
    ε_h of Heun's rule on masses (a ball radius off by ε_h moves a mass by at most u φ(u) ε_h a side), h² and 1/N on distances.

    Raises
    ------
    InputError
        If the two come from different experiments.
    """
    if theory.settings != runs.settings:
        raise InputError("compare: theory and simulation come from different score_smoothing tables")
    settings = ScoreSmoothing.from_table(runs.settings)
    count, samples = runs.atoms.shape[0], runs.positions.shape[1]
    error = discretisation(runs)
    step = 0.5 * math.log(settings.start_time / runs.end_time) / int(runs.simulation["steps"])
    notes = [f"particles stopped at t = {runs.end_time:g}; Heun step {step:.3g} in lambda"]
    if settings.kernel == "angular":
        # No closed form at finite time: only the symmetry between the vertices is a prediction.
        share = runs.atoms / runs.atoms.sum(axis=1, keepdims=True)
        mean, sem = share.mean(axis=0), share.std(axis=0, ddof=1) / math.sqrt(count)
        row = Row("share of each vertex", np.full(mean.shape, 1.0 / mean.size), mean, sem, 0.0, count - 1)
        notes.append(
            "angular window: no closed form at t > 0, the theory's fields are the limit t -> 0 (metastability)"
        )
        return Verdict.of([row], notes=tuple(notes))
    there = solve(settings.replace(end_time=runs.end_time), within=runs.within)
    near = 0.5 * error + math.sqrt(runs.end_time) * error
    rows = []
    expected: dict[str, tuple[Any, float]] = {
        "atoms": (there.atoms, near),
        "interpolated_mass": (there.interpolated_mass, there.atoms.size * near),
        "memorised": (there.memorised, near + step**2 / 4),
        "w1": (there.w1_tangential, step**2 / 4 + 1.0 / samples),
        "w2": (there.w2, step**2 / 4 + 1.0 / samples),
    }
    for name, (value, allowance) in expected.items():
        if np.all(np.isfinite(value)) and not np.any(np.isnan(getattr(runs, name))):
            rows.append(Row(name, np.asarray(value), runs.mean(name), runs.sem(name), allowance, count - 1))
    tests: tuple[tuple[str, float], ...] = ()
    details: dict[str, Any] = {}
    if settings.curve == "line":
        law = present(law_of(settings.replace(end_time=runs.end_time)), "law")
        sample = np.sort(runs.positions.ravel())
        upto = law.cdf(sample)
        statistic, p = kolmogorov_smirnov(sample, upto, upto)
        tests = (("Kolmogorov-Smirnov", p),)
        details["ks_statistic"] = statistic
    return Verdict.of(rows, tests=tests, notes=tuple(notes), details=details)
