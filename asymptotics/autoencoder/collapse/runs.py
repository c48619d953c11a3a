"""What an ensemble of chains of generations in R^d leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.output.results import Result, dataframe, to_builtin
from .result import QUANTITIES


@dataclass(frozen=True)
class CollapseRuns(Result):
    """An ensemble of chains in R^d. Every quantity has axes (run, generation, …) and the meaning it has in `Collapse`.

    Attributes
    ----------
    Lambda : (runs, G)
        Mean of ‖x‖²/d over the data that the generation trained on: Λ plus a part of order 1/d from the followed directions.
    v : (runs, G)
        Variance of generated samples outside the span of the weights.
    distance : (runs, G)
        Of ``samples`` generated points: its square is larger than the law's by an amount of order 1/samples.
    generated : (runs, G, samples, K)
        Projections of generated points on the original directions.
    low_… : arrays
        A companion ensemble at ``low_dimension`` = d/4, with 4 times the runs.
    """

    Lambda: np.ndarray
    b: np.ndarray
    Q: np.ndarray
    Theta: np.ndarray
    parameters: np.ndarray
    v: np.ndarray
    mean_: np.ndarray
    covariance: np.ndarray
    distance: np.ndarray
    bulk_distance: np.ndarray
    generated: np.ndarray
    low_Lambda: np.ndarray
    low_b: np.ndarray
    low_Q: np.ndarray
    low_Theta: np.ndarray
    low_parameters: np.ndarray
    low_v: np.ndarray
    low_mean_: np.ndarray
    low_covariance: np.ndarray
    low_distance: np.ndarray
    low_bulk_distance: np.ndarray
    dimension: int
    low_dimension: int
    seed: int
    seconds: float
    experiment: dict[str, Any]
    version: str

    @property
    def runs(self) -> int:
        """Number of independent chains."""
        return len(self.b)

    @property
    def count(self) -> int:
        """Number of generations."""
        return int(self.b.shape[1])

    def values(self, name: str, low: bool = False) -> np.ndarray:
        """A quantity of every run, (runs, G, …); ``low``: of the companion ensemble."""
        field = "mean_" if name == "mean" else name
        return np.asarray(getattr(self, f"low_{field}" if low else field))

    def mean(self, name: str, low: bool = False) -> np.ndarray:
        """Mean over runs, (G, …)."""
        return np.asarray(self.values(name, low).mean(axis=0))

    def sem(self, name: str, low: bool = False) -> np.ndarray:
        """Standard error of the mean over runs, (G, …)."""
        values = self.values(name, low)
        if len(values) < 2:
            return np.full(values.shape[1:], np.nan)
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))

    def _rows(self, low: bool) -> list[dict[str, Any]]:
        return [
            {
                "mean": {name: to_builtin(self.mean(name, low)[g]) for name in QUANTITIES},
                "sem": {name: to_builtin(self.sem(name, low)[g]) for name in QUANTITIES},
            }
            for g in range(self.count)
        ]

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"generations": self._rows(False), "runs": self.runs, "dimension": self.dimension}
        if len(self.low_b):
            low = {"generations": self._rows(True), "runs": len(self.low_b), "dimension": self.low_dimension}
            fields["companion"] = low
        return {**fields, "seed": self.seed, "seconds": self.seconds}

    def summary(self) -> str:
        """Means and standard errors by generation."""
        lines = [f"{self.runs} chains at d = {self.dimension} ({self.seconds:.1f} s):"]
        with np.printoptions(precision=4, suppress=True, linewidth=110):
            for g in range(self.count):
                parts = []
                for name in ("Lambda", "b", "v", "distance", "Q", "Theta"):
                    mean, sem = (np.array2string(f(name)[g]).replace("\n", "") for f in (self.mean, self.sem))
                    parts.append(f"{name} = {mean} ± {sem}")
                lines.append(f"generation {g + 1}: " + "  ".join(parts[:4]) + "\n    " + "  ".join(parts[4:]))
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """Means and standard errors as a pandas DataFrame, one row a generation (``Q[0,1]``, ``Q_sem[0,1]``; needs pandas)."""
        columns: dict[str, Any] = {"generation": np.arange(1, self.count + 1)}
        for name in QUANTITIES:
            columns |= {name: self.mean(name), f"{name}_sem": self.sem(name)}
        return dataframe(columns, "generation")
