"""What a comparison would have seen: the smallest relative change of an input, with probability 1/2."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .scores import ROTATIONS, Part, deviations, rotated
from .verdict import Verdict

#: Relative changes beyond this (1000 %) are "not seen": the first order says nothing about them.
LARGEST = 10.0
#: Draws of the noise: a probability of 1/2 is known to .01.
DRAWS = ROTATIONS // 8

#: Probability that a test sees a relative change.
Detection = Callable[[float], float]


def detectable(
    verdict: Verdict,
    shifts: Mapping[str, Sequence[Any]],
    tests: Mapping[str, Mapping[str, Callable[[float, float], float]]] | None = None,
) -> dict[str, float]:
    """Relative change of every input that this comparison would have seen with probability 1/2 (infinite: none up to 1000 %).

    Parameters
    ----------
    verdict : Verdict
    shifts : mapping
        Input name → one array for each of ``verdict.rows``: the derivative of its theory by the logarithm of the input (None
        where it does not depend on it). Predictions change to first order.
    tests : mapping, optional
        Input name → test name → ``probability(change, level)`` that the test rejects at its level when the input is off by
        the relative change (for χ²: `noncentral`).
    """
    noise = [_noise(part) if part.rows else None for part in verdict.parts]
    found: dict[str, float] = {}
    for name in dict.fromkeys([*shifts, *(tests or {})]):
        detections: list[Detection] = []
        given = shifts.get(name, [None] * len(verdict.rows))
        at = {id(row): shift for row, shift in zip(verdict.rows, given, strict=True)}
        for part, draws in zip(verdict.parts, noise, strict=True):
            if draws is not None:
                detections.append(_of_rows(part, [at[id(row)] for row in part.rows], draws))
            elif part.name in (tests or {}).get(name, {}):
                level = float(-np.expm1(part.share * np.log1p(-verdict.level)))
                detections.append(_of_test((tests or {})[name][part.name], level))
        found[name] = _half(lambda change: max((d(change) for d in detections), default=0.0))  # noqa: B023
    return found


def shifts(
    verdict: Verdict, here: Mapping[str, Any], moved: Mapping[str, Mapping[str, Any]], step: float
) -> dict[str, list[Any]]:
    """What `detectable` takes, from values of the theory by the rows' names (None: no value).

    Parameters
    ----------
    verdict : Verdict
    here : mapping
        The theory.
    moved : mapping
        Input name → the theory with that input larger by the relative ``step``.
    """

    def change(row: str, there: Mapping[str, Any]) -> Any:
        known = here[row] is not None and there[row] is not None
        return np.asarray(there[row] - here[row]) / step if known else None

    return {name: [change(row.name, there) for row in verdict.rows] for name, there in moved.items()}


def noncentral(distance: float, degrees: int) -> Callable[[float, float], float]:
    """Detection by χ²: ``distance`` is the squared shift for a relative change of 1, in units of the covariance."""
    from scipy.stats import chi2, ncx2

    def probability(change: float, level: float) -> float:
        return float(ncx2.sf(chi2.isf(level, degrees), degrees, distance * change**2)) if degrees else 0.0

    return probability


def _of_test(probability: Callable[[float, float], float], level: float) -> Detection:
    return lambda change: probability(change, level)


def _noise(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Draws of (mean − theory, standard error) of a right theory."""
    rows = part.rows
    floor = np.concatenate([np.ravel(r.floor) for r in rows])
    if rows[0].samples is not None and len(rows[0].samples) > 1:
        samples, runs = deviations(rows), len(rows[0].samples)
        samples = (samples - samples.mean(axis=0)) * np.sqrt(runs / (runs - 1))
        mean, sem = rotated(samples, seed=1, count=DRAWS)
        return mean, np.maximum(sem, floor)
    sem = np.concatenate([np.ravel(np.broadcast_to(r.sem, np.shape(r.theory))) for r in rows])
    rng, degrees = np.random.default_rng(1), min(r.degrees for r in rows)
    mean = rng.standard_normal((DRAWS, sem.size)) * sem
    spread = np.sqrt(rng.chisquare(degrees, mean.shape) / degrees) if np.isfinite(degrees) else 1.0
    return mean, np.maximum(sem * spread, floor) * np.ones_like(mean)


def _of_rows(part: Part, shifts: Sequence[Any], noise: tuple[np.ndarray, np.ndarray]) -> Detection:
    shift = np.concatenate(
        [
            np.ravel(np.broadcast_to(0.0 if s is None else np.asarray(s, dtype=np.float64), np.shape(r.theory)))
            for r, s in zip(part.rows, shifts, strict=True)
        ]
    )
    allowance = np.concatenate([np.ravel(np.broadcast_to(r.allowance, np.shape(r.theory))) for r in part.rows])
    depends = (shift != 0) & np.isfinite(shift)
    if not depends.any():
        return lambda change: 0.0
    mean, sem = (x[:, depends] for x in noise)
    shift, allowance = shift[depends], allowance[depends]

    def probability(change: float) -> float:
        excess = np.abs(mean + change * shift) - allowance
        return float(np.mean(np.max(excess / sem, axis=1) > part.threshold))

    return probability


def _half(probability: Detection) -> float:
    """Where an increasing probability passes 1/2, in the logarithm of the change."""
    low, high = 1e-9, LARGEST
    if probability(high) < 0.5:
        return np.inf
    while high / low > 1.01:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if probability(middle) >= 0.5 else (middle, high)
    return high
