"""Compared numbers and the law of their largest score: what a verdict is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .ensemble import standard_error
from .entries import entries


@dataclass(frozen=True)
class Row:
    """One compared quantity (a scalar or an array).

    Parameters
    ----------
    name : str
    theory, mean, sem : ndarray
        Prediction; mean over independent runs and its standard error; all of one shape. A known correction of finite size
        belongs into ``theory``.
    allowance : ndarray or float
        Derived bound on what the prediction neglects, in the units of the quantity; it is subtracted from |difference|.
    degrees : float
        Degrees of freedom of ``sem`` (runs − 1); infinite if the standard error is known.
    source : str
        Where the allowance comes from ("numerical error", "O(1/d) bias", ...); needed if there is one.
    samples : ndarray, optional
        (runs, ...) The independent values whose mean is ``mean`` (`of_runs`). Rows with equally many of them are judged
        together, by the exact law of their largest score, whatever their correlations.
    counted : bool
        False: shown, but not part of the verdict (a function of what is counted already).
    skewed : bool
        True: the score of ``samples`` is corrected for their skewness, so that it has Student's law also where single runs are
        far from Gaussian.
    labels : tuple of str
        Names of the entries in the order of the flattened array, where they are not the indices (the τ of a curve, the upper
        triangle of Q); empty: `entries` counts them.
    """

    name: str
    theory: np.ndarray
    mean: np.ndarray
    sem: np.ndarray
    allowance: np.ndarray | float = 0.0
    degrees: float = np.inf
    source: str = ""
    samples: np.ndarray | None = None
    counted: bool = True
    skewed: bool = False
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != self.size:
            raise ValueError(f"labels of {self.name}: {len(self.labels)} for {self.size} entries")

    @classmethod
    def of_runs(cls, name: str, theory: ArrayLike, values: ArrayLike, **options: Any) -> Row:
        """From the values of independent runs, (runs, ...): Student's t with runs − 1 degrees of freedom."""
        values = np.asarray(values, dtype=np.float64)
        sem = standard_error(values)
        theory = np.broadcast_to(np.asarray(theory, dtype=np.float64), sem.shape)
        return cls(name, theory, values.mean(axis=0), sem, degrees=len(values) - 1.0, samples=values, **options)

    @property
    def size(self) -> int:
        """Number of compared numbers."""
        return int(np.size(self.theory))

    @property
    def entries(self) -> tuple[str, ...]:
        """The name of every compared number: Q_12(0.3)."""
        return self.labels or entries(self.name, np.shape(self.theory))

    @property
    def floor(self) -> np.ndarray:
        """What a quantity without fluctuations must agree to: rounding."""
        return np.asarray(1e-12 * (1.0 + np.abs(np.asarray(self.theory))))

    def scores(self) -> np.ndarray:
        """Excess of |mean − theory| over the allowance, in standard errors (0 where inside the allowance)."""
        difference = np.asarray(self.mean) - np.asarray(self.theory)
        excess = np.maximum(np.abs(difference) - self.allowance, 0.0)
        scores = np.asarray(excess / np.maximum(np.asarray(self.sem), self.floor))
        if self.samples is None or not self.corrected:
            return scores
        return np.where(excess > 0.0, np.abs(unskewed(np.sign(difference) * scores, self.samples)), 0.0)

    @property
    def corrected(self) -> bool:
        """Whether scores are corrected for skewness: it cannot be measured on two runs."""
        return self.skewed and self.samples is not None and len(self.samples) >= 3

    def worst(self) -> float:
        """The largest score; not finite: infinite."""
        scores = np.asarray(self.scores(), dtype=np.float64)
        return float(np.max(np.where(np.isnan(scores), np.inf, scores), initial=0.0))


@dataclass(frozen=True)
class Prediction:
    """What theory says of a quantity that every run measures: a `Row` to be, or the ``reason`` why it is not compared."""

    name: str
    value: Any = None
    allowance: Any = 0.0
    source: str = ""
    reason: str = ""
    counted: bool = True
    skewed: bool = False
    labels: tuple[str, ...] = ()


def judged(
    predictions: Iterable[Prediction], values: Mapping[str, ArrayLike]
) -> tuple[list[Row], list[tuple[str, str]]]:
    """Rows of what is compared, from the values of the single runs, and (name, reason) of what is not."""
    rows, skipped = [], []
    for found in predictions:
        measured = np.empty(0) if found.reason else np.asarray(values[found.name], dtype=float)
        if found.reason or not np.all(np.isfinite(measured)):
            skipped.append((found.name, found.reason or "not finite in some run"))
            continue
        allowed = found.source if np.any(np.asarray(found.allowance) > 0) else ""
        rows.append(
            Row.of_runs(
                found.name, found.value, measured, allowance=found.allowance, source=allowed, counted=found.counted,
                skewed=found.skewed, labels=found.labels,
            )
        )  # fmt: skip
    return rows, skipped


def unskewed(scores: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Signed scores (mean − theory)/sem with the effect of the samples' skewness on their law removed, to order 1/runs.

    References
    ----------
    Hall 1992, On the removal of skewness by transformation, J. R. Stat. Soc. B 54, 221.
    """
    n = len(samples)
    centred = samples - samples.mean(axis=0)
    second = np.mean(centred**2, axis=0)
    moving = second > 0.0
    skewness = np.mean(centred**3, axis=0) / np.where(moving, second, 1.0) ** 1.5
    skewness = np.where(moving, skewness * np.sqrt(n * (n - 1.0)) / (n - 2.0), 0.0)
    s = scores / np.sqrt(n)
    return np.asarray(np.sqrt(n) * (s + skewness * s**2 / 3.0 + skewness**2 * s**3 / 27.0 + skewness / (6.0 * n)))


@dataclass(frozen=True)
class Part:
    """Rows that are judged together, or one test: its share of the level and its p-value."""

    rows: tuple[Row, ...]
    name: str
    share: float
    p: float
    threshold: float

    @property
    def family_wise(self) -> float:
        """p-value with the share accounted for: 1 − (1 − p)^(1/share), uniform for the smallest of independent parts."""
        return float(-np.expm1(np.log1p(-min(self.p, 1 - 1e-16)) / self.share)) if self.p == self.p else 0.0


def in_words(power: Mapping[str, float]) -> str:
    """The smallest relative changes of inputs that a comparison would have seen with probability 1/2, in words."""
    seen = {name: change for name, change in power.items() if np.isfinite(change)}
    text = ", ".join(f"{name} {100 * change:.2g} %" for name, change in sorted(seen.items(), key=lambda i: i[1]))
    text = f"this comparison sees, with probability 1/2, a change of {text}" if seen else ""
    blind = [name for name in power if name not in seen]
    return "; ".join(filter(None, (text, f"no change of {', '.join(blind)}" if blind else "")))


#: Rotations of the runs: a p-value of .005 is then known to 10 %.
ROTATIONS = 20_000
#: Numbers that the rotated samples of skewed rows may have, all rotations together; and the fewest rotations.
SKEWED_NUMBERS, FEWEST = 2 * 10**8, 2_000
#: More runs than these are judged by the law without the correction: of Gaussian runs 1.08 % then fail at 1 %, and rotations of
#: whole samples would cost the cube of their number.
MANY = 40


def rotated(samples: np.ndarray, seed: int = 0, count: int = ROTATIONS) -> tuple[np.ndarray, np.ndarray]:
    """(means, standard errors), (count, n), of (runs, n) deviations under random rotations of the runs.

    Gaussian runs of mean zero have the same law after any rotation, so these are draws of what a right theory gives, with
    the covariance of the experiment itself.
    """
    runs = len(samples)
    u = np.random.default_rng(seed).standard_normal((count, runs))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    along = u @ samples
    rest = np.maximum(np.sum(samples**2, axis=0) - along**2, 0.0)
    return along / np.sqrt(runs), np.sqrt(rest / ((runs - 1) * runs))


def rotated_samples(samples: np.ndarray, seed: int = 0) -> Iterator[np.ndarray]:
    """Blocks of (count, runs, n) deviations under random rotations of the runs, uniform in the orthogonal group."""
    from scipy.stats import ortho_group

    runs, n = samples.shape
    left = min(ROTATIONS, max(FEWEST, SKEWED_NUMBERS // (runs * (n + runs))))
    rng = np.random.default_rng(seed)
    while left:
        count = max(1, min(left, 2**21 // (runs * (n + runs))))
        yield ortho_group.rvs(runs, size=count, random_state=rng).reshape(count, runs, runs) @ samples
        left -= count


def deviations(rows: tuple[Row, ...]) -> np.ndarray:
    """(runs, n) values minus theory of rows of runs."""
    return np.concatenate([(r.samples - r.theory).reshape(len(r.samples), -1) for r in rows], axis=1)  # type: ignore[arg-type, operator]


def largest(rows: tuple[Row, ...], samples: np.ndarray) -> np.ndarray:
    """Sorted largest scores under rotations of the samples; what does not fluctuate has none."""
    floor = np.concatenate([np.ravel(r.floor) for r in rows])
    moving = samples.std(axis=0) > floor * np.sqrt(len(samples))
    if not moving.any():
        return np.zeros(ROTATIONS)
    floor, skewed = floor[moving], np.concatenate([np.full(r.size, r.corrected) for r in rows])[moving]
    if not skewed.any() or len(samples) > MANY:
        mean, sem = rotated(samples[:, moving])
        return np.sort(np.max(np.abs(mean) / np.maximum(sem, floor), axis=1))
    # The score with its correction has its own law at few runs, and Gaussian runs are judged exactly with it too.
    found = []
    for block in rotated_samples(samples[:, moving]):
        runs = np.moveaxis(block, 1, 0)
        scores = runs.mean(axis=0) / np.maximum(standard_error(runs), floor)
        scores[:, skewed] = unskewed(scores[:, skewed], runs[:, :, skewed])
        found.append(np.max(np.abs(scores), axis=1))
    return np.sort(np.concatenate(found))


def judge(rows: tuple[Row, ...], level: float) -> tuple[float, float]:
    """p-value of the largest score among rows, and the score that a right theory exceeds with probability ``level``."""
    from scipy.stats import norm, t

    score, degrees = max(r.worst() for r in rows), min(r.degrees for r in rows)
    count = sum(r.size for r in rows)
    single = -np.expm1(np.log1p(-level) / count) / 2
    threshold = float(norm.isf(single) if np.isinf(degrees) else t.isf(single, degrees))
    tail = 2 * (norm.sf(score) if np.isinf(degrees) else t.sf(score, degrees))
    p = float(-np.expm1(count * np.log1p(-min(tail, 1 - 1e-16))))
    if rows[0].samples is None or len(rows[0].samples) < 2 or not np.isfinite(score):
        return p, threshold
    null = largest(rows, deviations(rows))
    beyond = len(null) - int(np.searchsorted(null, score, side="left"))
    # Rotations do not resolve a small p-value; independent numbers then give an upper bound.
    exact = (1 + beyond) / (1 + len(null))
    if beyond == 0:
        exact = min(exact, p)
    # The score where `exact` falls below the level.
    k = int(np.floor(level * (1 + len(null)) - 1))
    return exact, float(null[-1 - k]) if 0 <= k < len(null) and null[-1] > 0 else threshold
