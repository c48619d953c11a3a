"""What an ensemble of chains of generations in R^d leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.output.ensemble import Ensembles, Measured
from ...common.output.plain import printed
from .observables import QUANTITIES


@dataclass(frozen=True)
class CollapseRuns(Ensembles):
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

    JSON: ClassVar[Mapping[str, str]] = {
        "generations": "one object a generation: mean and standard error of every quantity",
        "runs": "",
        "dimension": "",
        "companion": "the same of the companion ensemble at d/4",
        "seed": "seed of the ensemble",
        "seconds": "",
    }

    NAMES = QUANTITIES

    Lambda, b, v, Q, Theta, parameters = Measured(), Measured(), Measured(), Measured(), Measured(), Measured()
    mean_, covariance, distance, bulk_distance = Measured(), Measured(), Measured(), Measured()
    generated = Measured()
    low_Lambda, low_b, low_v, low_Q, low_Theta = Measured(), Measured(), Measured(), Measured(), Measured()
    low_parameters, low_mean_, low_covariance = Measured(), Measured(), Measured()
    low_distance, low_bulk_distance = Measured(), Measured()

    @property
    def count(self) -> int:
        """Number of generations."""
        return int(self.b.shape[1])

    def _along(self) -> tuple[str, np.ndarray]:
        return "generation", np.arange(1, self.count + 1)

    def _rows(self, low: bool) -> list[dict[str, Any]]:
        found = self.statistics(QUANTITIES, low)
        return [
            {kind: {name: values[g] for name, values in of.items()} for kind, of in found.items()}
            for g in range(self.count)
        ]

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"generations": self._rows(False), "runs": self.runs, "dimension": self.dimension}
        if self.low.runs:
            low = {"generations": self._rows(True), "runs": self.low.runs, "dimension": self.low_dimension}
            fields["companion"] = low
        return {**fields, "seed": self.seed, "seconds": self.seconds}

    def summary(self) -> str:
        """Means and standard errors by generation."""
        lines = [f"{self.runs} chains at d = {self.dimension} ({self.seconds:.1f} s):"]
        for g in range(self.count):
            parts = []
            for name in ("Lambda", "b", "v", "distance", "Q", "Theta"):
                mean, sem = (printed(f(name)[g], 4) for f in (self.mean, self.sem))
                parts.append(f"{name} = {mean} ± {sem}")
            lines.append(f"generation {g + 1}: " + "  ".join(parts[:4]) + "\n    " + "  ".join(parts[4:]))
        return "\n".join(lines)
