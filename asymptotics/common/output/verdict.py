"""Theory against experiment as a statement with error bars: rows of numbers and one verdict."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .notebook import label, page, table, thumbnail
from .plain import shown
from .results import Result, dataframe, to_builtin
from .scores import Part, Row, in_words, judge

__all__ = ["LEVEL", "Part", "Row", "Verdict"]

#: Probability that a right theory fails, unless something else is said.
LEVEL = 0.01


@dataclass(frozen=True)
class Verdict(Result):
    """All rows, tests, and one p-value: a right theory fails with probability ``level``, whatever the number of rows.

    A test has its ``shares[name]`` of the level; the rest is divided equally among compared numbers and tests without a
    share. Rows of independent runs are judged by the law of their largest score under rotations of the runs, which is
    exact for Gaussian fluctuations of any covariance and any number of runs; other rows by Student's t.
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "passed": "whether theory and experiment agree within the error bars",
        "outcome": "PASS, FAIL or NOT TESTED",
        "p": "probability that a right theory agrees as badly, in the worst part",
        "level": "family-wise level of the test",
        "failures": "names of what disagrees",
        "rows": "one object a row: name, theory, mean, sem, allowance, allowance_source, difference_in_sem, score, threshold, counted",
        "tests": "further tests: name, p, share of the level",
        "not_tested": "name and reason of what is shown only",
        "power": "relative change of each input that would have been seen with probability 1/2",
        "notes": "remarks",
        "stability": "how deviations from the path grow (auto-encoder)",
        "sliced_wasserstein": "distance of generated points to theory, and to the other runs (auto-encoder)",
        "probability": "share of runs with E_OG < E_TG (one_step)",
        "ks_statistic": "largest difference of the particles' distribution from the law's, times root of their number (score_smoothing)",
        "ks_step_error": "bound on the part of that difference that the steps of the particles make (score_smoothing)",
    }

    rows: tuple[Row, ...]
    level: float = LEVEL
    tests: tuple[tuple[str, float], ...] = ()  # further p-values: (name, p)
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)  # test: its share of the level
    not_tested: tuple[tuple[str, str], ...] = ()  # (quantity, reason)
    power: dict[str, float] = field(default_factory=dict)  # input: relative change seen with probability 1/2

    @classmethod
    def of(cls, rows: Iterable[Row], **options: Any) -> Verdict:
        """From any iterable of rows."""
        return cls(tuple(rows), **options)

    @property
    def count(self) -> int:
        """Number of compared numbers."""
        return sum(r.size for r in self.rows if r.counted) + len(self.tests)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What the level is divided among."""
        named = [(n, p) for n, p in self.tests if n in self.shares]
        total = sum(self.shares[n] for n, _ in named)
        groups: dict[int, list[Row]] = {}
        for k, r in enumerate(self.rows):
            if r.counted and r.size:
                groups.setdefault(-1 - k if r.samples is None else len(r.samples), []).append(r)
        plain = [(n, p) for n, p in self.tests if n not in self.shares]
        numbers = sum(r.size for rows in groups.values() for r in rows) + len(plain)
        # Without anything else to test, the whole level is that of the tests with a share.
        unit, scale = ((1.0 - total) / numbers, 1.0) if numbers else (0.0, 1.0 / total if total else 1.0)
        out = [Part((), n, self.shares[n] * scale, p, np.nan) for n, p in named]
        out += [Part((), n, unit, p, np.nan) for n, p in plain]
        for rows in groups.values():
            share = unit * sum(r.size for r in rows)
            p, threshold = judge(tuple(rows), -np.expm1(share * np.log1p(-self.level)))
            out.append(Part(tuple(rows), "", share, p, threshold))
        return tuple(out)

    @property
    def p_value(self) -> float:
        """Probability that a right theory agrees as badly as this, in the worst of its parts."""
        return min((part.family_wise for part in self.parts), default=1.0)

    def threshold(self, row: Row) -> float:
        """The largest score that row may have (infinite if it is not counted)."""
        for part in self.parts:
            if any(r is row for r in part.rows):
                return part.threshold
        return np.inf

    def failures(self) -> list[str]:
        """Names of what disagrees."""
        bad = []
        for part in self.parts:
            if part.family_wise >= self.level:
                continue
            if not part.rows:
                bad.append(part.name)
                continue
            found = [r.name for r in part.rows if not r.worst() <= part.threshold]
            bad += found or [max(part.rows, key=Row.worst).name]
        order = [r.name for r in self.rows] + [n for n, _ in self.tests]
        return sorted(bad, key=order.index)

    @property
    def passed(self) -> bool:
        """True if theory and experiment agree within the error bars; not where nothing could be tested."""
        return bool(self.parts) and not self.failures()

    @property
    def outcome(self) -> str:
        """PASS, FAIL, or NOT TESTED where no number could be tested: agreement of nothing says nothing."""
        return "PASS" if self.passed else "FAIL" if self.parts else "NOT TESTED"

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "outcome": self.outcome,
            "p": self.p_value,
            "level": self.level,
            "failures": self.failures(),
            "rows": [
                {
                    "name": r.name,
                    "theory": to_builtin(np.asarray(r.theory)),
                    "mean": to_builtin(np.asarray(r.mean)),
                    "sem": to_builtin(np.asarray(r.sem)),
                    "allowance": to_builtin(np.asarray(r.allowance)),
                    "allowance_source": r.source,
                    "difference_in_sem": to_builtin(
                        (np.asarray(r.mean) - r.theory) / np.where(np.asarray(r.sem) > 0, r.sem, np.nan)
                    ),
                    "score": to_builtin(r.worst()),
                    "threshold": to_builtin(self.threshold(r)),
                    "counted": r.counted,
                }
                for r in self.rows
            ],
            "tests": [{"name": name, "p": p, "share": self.shares.get(name)} for name, p in self.tests],
            "not_tested": [{"name": name, "reason": reason} for name, reason in self.not_tested],
            "power": to_builtin(dict(self.power)),
            "notes": list(self.notes),
            **to_builtin(self.details),
        }

    def _stored(self) -> dict[str, Any]:
        fields = self._kept()
        rows = fields.pop("rows")
        fields |= {"names": [r.name for r in rows], "degrees": [float(r.degrees) for r in rows]}
        fields |= {"sources": [r.source for r in rows], "counted": [r.counted for r in rows]}
        fields |= {"skewed": [r.skewed for r in rows], "labels": [list(r.labels) for r in rows]}
        for k, r in enumerate(rows):
            fields |= {f"{part}.{k}": np.asarray(getattr(r, part)) for part in ("theory", "mean", "sem", "allowance")}
            if r.samples is not None:
                fields[f"samples.{k}"] = r.samples
        return fields

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        names, degrees = stored.pop("names"), stored.pop("degrees")
        # Written since 0.2.
        sources, counted = stored.pop("sources", [""] * len(names)), stored.pop("counted", [True] * len(names))
        skewed, labels = stored.pop("skewed", [False] * len(names)), stored.pop("labels", [()] * len(names))
        rows = []
        for k, (name, n) in enumerate(zip(names, degrees, strict=True)):
            parts = {part: stored.pop(f"{part}.{k}") for part in ("theory", "mean", "sem", "allowance")}
            samples = stored.pop(f"samples.{k}", None)
            kept = Row(name, degrees=n, source=sources[k], samples=samples, counted=bool(counted[k]), **parts)
            rows.append(replace(kept, skewed=bool(skewed[k]), labels=tuple(labels[k])))
        return super()._restored(stored) | {"rows": tuple(rows)}

    def to_dataframe(self) -> Any:
        """One row a compared number as a pandas DataFrame (needs pandas).

        Columns: quantity, entry (``Q_12(0.3)``), theory, mean, sem, allowance, score and threshold.
        """
        columns: dict[str, list[Any]] = {n: [] for n in ("quantity", "entry")}
        numbers: dict[str, list[Any]] = {n: [] for n in ("theory", "mean", "sem", "allowance", "score", "threshold")}
        for r in self.rows:
            shape = np.shape(r.theory)
            columns["quantity"] += [r.name] * int(np.prod(shape, dtype=int))
            columns["entry"] += r.entries
            values = (r.theory, r.mean, r.sem, r.allowance, r.scores(), self.threshold(r))
            for name, value in zip(numbers, values, strict=True):
                numbers[name] += np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel().tolist()
        return dataframe({**columns, **numbers}, "quantity")

    def _shown_rows(self) -> Iterator[tuple[Row, str, list[float]]]:
        """Of every row the entry with the largest score: (row, its name, theory, mean, s.e., allowance and score)."""
        for r in self.rows:
            shape, scores = np.shape(r.theory), np.ravel(r.scores())
            k = int(np.argmax(scores))
            values = (r.theory, r.mean, r.sem, r.allowance)
            picked = [float(np.broadcast_to(np.asarray(v, dtype=np.float64), shape).ravel()[k]) for v in values]
            yield r, r.entries[k], [*picked, float(scores[k])]

    def _found(self) -> str:
        found = f"{self.count} numbers compared, p = {self.p_value:.3g}, family-wise level {self.level:g}"
        left = f"; {len(self.not_tested)} not tested" if self.not_tested else ""
        return f"{self.outcome}: {found if self.parts else 'no number could be compared'}{left}"

    def summary(self) -> str:
        shown = list(self._shown_rows())
        names = [name for _, name, _ in shown] + [n for n, _ in self.tests] + [n for n, _ in self.not_tested]
        width = max([len(n) for n in names] + [8])
        lines = [f"{'quantity':<{width}}  {'theory':>11} {'experiment':>11} {'± s.e.':>9} {'allowed':>9} {'score':>7}"]
        bad = self.failures()
        for r, name, (theory, mean, sem, allowance, score) in shown:
            flag = "  << disagrees" if r.name in bad else "" if r.counted else "  (not counted)"
            # An allowance far below the standard error decides nothing.
            flag += f"  [{r.source}]" if r.source and allowance > 0.01 * sem else ""
            lines.append(
                f"{name:<{width}}  {theory:z11.5f} {mean:z11.5f} {sem:9.1e} {allowance:9.1e} {score:z7.2f}{flag}"
            )
        for name, p in self.tests:
            share = f" (share {self.shares[name]:g} of the level)" if name in self.shares else ""
            lines.append(f"{name:<{width}}  p = {p:z.3g}{share}" + ("" if name not in bad else "  << disagrees"))
        lines += [f"{name:<{width}}  not tested: {reason}" for name, reason in self.not_tested]
        lines += self._remarks()
        lines.append(self._found())
        return "\n".join(lines)

    def _html_table(self) -> str:
        bad, seen = self.failures(), []
        for r, name, values in self._shown_rows():
            flag = "disagrees" if r.name in bad else "" if r.counted else "not counted"
            numbers = [f"{v:.2g}" if k in (2, 3) else f"{v:.2f}" if k == 4 else shown(v) for k, v in enumerate(values)]
            seen.append([label(name), *numbers, f"<b>{flag}</b>" if flag == "disagrees" else flag])
        tests = [[html.escape(name), f"{p:.3g}", "<b>disagrees</b>" if name in bad else ""] for name, p in self.tests]
        left = [[html.escape(name), html.escape(reason)] for name, reason in self.not_tested]
        parts = [table(["quantity", "theory", "experiment", "± s.e.", "allowed", "score", ""], seen)] if seen else []
        parts += [table(["test", "p", ""], tests)] if tests else []
        parts += [table(["not tested", "reason"], left)] if left else []
        return "".join(parts) + "".join(f"<div><small>{html.escape(x)}</small></div>" for x in self._remarks())

    def _repr_html_(self) -> str:
        return page(self.summary(), self._html_table(), thumbnail(self), head=self._found())

    def _remarks(self) -> list[str]:
        remarks = [f"note: {n}" for n in self.notes]
        if any(r.size > 1 for r in self.rows):
            remarks.insert(
                0, "note: of a quantity with several entries the one with the largest score is shown; all are judged"
            )
        return remarks + ([f"power: {in_words(self.power)}"] if self.power else [])
