"""Theory against experiment as a statement with error bars: rows of numbers and one verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .results import Result, dataframe, to_builtin


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

    def _stored(self) -> dict[str, Any]:
        fields = self._kept()
        rows = fields.pop("rows")
        fields |= {"names": [r.name for r in rows], "degrees": [float(r.degrees) for r in rows]}
        parts = ("theory", "mean", "sem", "allowance")
        return fields | {f"{name}.{k}": np.asarray(getattr(r, name)) for k, r in enumerate(rows) for name in parts}

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        names, degrees = stored.pop("names"), stored.pop("degrees")
        rows = []
        for k, (name, n) in enumerate(zip(names, degrees, strict=True)):
            parts = {part: stored.pop(f"{part}.{k}") for part in ("theory", "mean", "sem", "allowance")}
            rows.append(Row(name, degrees=n, **parts))
        return super()._restored(stored) | {"rows": tuple(rows)}

    def to_dataframe(self) -> Any:
        """One row a compared number as a pandas DataFrame (needs pandas).

        Columns: quantity, entry (its place in an array), theory, mean, sem, allowance, score and threshold.
        """
        columns: dict[str, list[Any]] = {n: [] for n in ("quantity", "entry")}
        numbers: dict[str, list[Any]] = {n: [] for n in ("theory", "mean", "sem", "allowance", "score", "threshold")}
        for r in self.rows:
            shape = np.shape(r.theory)
            columns["quantity"] += [r.name] * int(np.prod(shape, dtype=int))
            columns["entry"] += [",".join(map(str, index)) for index in np.ndindex(shape)]
            values = (r.theory, r.mean, r.sem, r.allowance, r.scores(), self.threshold(r))
            for name, value in zip(numbers, values, strict=True):
                numbers[name] += np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel().tolist()
        return dataframe({**columns, **numbers}, "quantity")

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """Every compared number: experiment − theory over the largest difference that passes; returns ``(figure, axes)``.

        Points with bars of one standard error; between the dashed lines a number agrees. The grey part of the largest
        difference is what the stated finite-size bias allows, the rest the threshold in standard errors. What disagrees is red.
        """
        from .plotting import COLOURS, axes_of, style

        with style():
            figure, axis = axes_of(ax, figsize=(max(3.6, min(9.0, 0.09 * self.count)), 3.2))
            start, names = 0, []
            for r in self.rows:
                shape = np.shape(r.theory)
                theory, mean, sem, allowed = (
                    np.broadcast_to(np.asarray(v, dtype=np.float64), shape).ravel()
                    for v in (r.theory, r.mean, r.sem, r.allowance)
                )
                x = np.arange(start, start + theory.size)
                # A quantity without fluctuations must agree to rounding, as in `Row.scores`.
                largest = allowed + self.threshold(r) * np.maximum(sem, 1e-12 * (1.0 + np.abs(theory)))
                good = np.atleast_1d(r.scores()).ravel() <= self.threshold(r)
                for chosen, colour in ((good, COLOURS[0]), (~good, COLOURS[1])):
                    y, bar = ((v / largest)[chosen] for v in (mean - theory, sem))
                    axis.errorbar(x[chosen], y, yerr=bar, fmt="o", ms=2.5, lw=0.8, capsize=0, color=colour)
                axis.bar(x, 2 * allowed / largest, bottom=-allowed / largest, width=1.0, color="0.88", zorder=0)
                names.append((start + (theory.size - 1) / 2, r.name))
                start += theory.size
            for height, line in ((-1.0, "--"), (0.0, "-"), (1.0, "--")):
                axis.axhline(height, color="0.4", lw=0.8, ls=line)
            shown = names[:: -(-len(names) // 30) or 1]
            axis.set_xticks([x for x, _ in shown], [name for _, name in shown], rotation=90, fontsize=6)
            axis.set_ylabel("(experiment − theory)/largest allowed")
            axis.set_title(f"{'PASS' if self.passed else 'FAIL'}: {self.count} numbers, level {self.level:g}")
            return figure, axis

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
