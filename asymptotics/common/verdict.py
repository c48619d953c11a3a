"""Theory against experiment as a statement with error bars: rows of numbers and one verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .results import Result, to_builtin


@dataclass(frozen=True)
class Row:
    """One compared quantity (a scalar or an array).

    Parameters
    ----------
    name : str
    theory, mean, sem : ndarray
        Prediction; mean over independent runs and its standard error; all of one shape.
    allowance : ndarray or float
        Stated finite-size bias of the theory (O(1/d)), in the units of the quantity; it is subtracted from |difference|.
    degrees : float
        Degrees of freedom of ``sem`` (runs − 1); infinite if the standard error is known.
    """

    name: str
    theory: np.ndarray
    mean: np.ndarray
    sem: np.ndarray
    allowance: np.ndarray | float = 0.0
    degrees: float = np.inf

    def scores(self) -> np.ndarray:
        """Excess of |mean − theory| over the allowance, in standard errors (0 where inside the allowance)."""
        excess = np.maximum(np.abs(np.asarray(self.mean) - np.asarray(self.theory)) - self.allowance, 0.0)
        # A quantity without fluctuations must agree to rounding.
        floor = 1e-12 * (1.0 + np.abs(np.asarray(self.theory)))
        return excess / np.maximum(np.asarray(self.sem), floor)


@dataclass(frozen=True)
class Verdict(Result):
    """All rows and the verdict: no score above the threshold that chance alone passes with probability ``level``.

    The threshold is Student's t (Bonferroni-corrected for the number of compared numbers), so that a correct theory
    fails once in 1/level comparisons, whatever the number of rows.
    """

    rows: tuple[Row, ...]
    level: float = 0.01
    tests: tuple[tuple[str, float], ...] = ()  # further p-values: (name, p)
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row], **options: Any) -> Verdict:
        """From any iterable of rows."""
        return cls(tuple(rows), **options)

    @property
    def count(self) -> int:
        """Number of compared numbers."""
        return sum(int(np.size(r.theory)) for r in self.rows) + len(self.tests)

    def threshold(self, row: Row) -> float:
        """The largest score that row may have."""
        from scipy.stats import norm, t

        tail = self.level / (2 * max(1, self.count))
        return float(norm.isf(tail) if np.isinf(row.degrees) else t.isf(tail, row.degrees))

    def failures(self) -> list[str]:
        """Names of what disagrees."""
        bad = [r.name for r in self.rows if np.any(~(r.scores() <= self.threshold(r)))]
        return bad + [name for name, p in self.tests if not p >= self.level / max(1, self.count)]

    @property
    def passed(self) -> bool:
        """True if theory and experiment agree within the error bars."""
        return not self.failures()

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "level": self.level,
            "failures": self.failures(),
            "rows": [
                {
                    "name": r.name,
                    "theory": to_builtin(np.asarray(r.theory)),
                    "mean": to_builtin(np.asarray(r.mean)),
                    "sem": to_builtin(np.asarray(r.sem)),
                    "allowance": to_builtin(np.asarray(r.allowance)),
                    "difference_in_sem": to_builtin(
                        (np.asarray(r.mean) - r.theory) / np.where(np.asarray(r.sem) > 0, r.sem, np.nan)
                    ),
                    "score": float(np.max(r.scores())),
                    "threshold": self.threshold(r),
                }
                for r in self.rows
            ],
            "tests": [{"name": name, "p": p} for name, p in self.tests],
            "notes": list(self.notes),
            **to_builtin(self.details),
        }

    def summary(self) -> str:
        width = max([len(r.name) for r in self.rows] + [len(n) for n, _ in self.tests] + [8])
        lines = [
            f"{'quantity':<{width}}  {'theory':>11} {'experiment':>11} {'± s.e.':>9} {'allowed':>9} {'score':>7}  (worst entry)"
        ]
        for r in self.rows:
            scores = np.atleast_1d(r.scores()).ravel()
            k = int(np.argmax(scores))
            pick = [
                float(np.broadcast_to(np.asarray(v, float), np.shape(r.theory)).ravel()[k])
                for v in (r.theory, r.mean, r.sem, r.allowance)
            ]
            flag = "" if scores[k] <= self.threshold(r) else "  << disagrees"
            lines.append(
                f"{r.name:<{width}}  {pick[0]:11.5f} {pick[1]:11.5f} {pick[2]:9.1e} {pick[3]:9.1e} {scores[k]:7.2f}{flag}"
            )
        for name, p in self.tests:
            lines.append(f"{name:<{width}}  p = {p:.3g}" + ("" if name not in self.failures() else "  << disagrees"))
        lines += [f"note: {n}" for n in self.notes]
        lines.append(
            f"{'PASS' if self.passed else 'FAIL'}: {self.count} numbers compared at family-wise level {self.level:g}"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()
