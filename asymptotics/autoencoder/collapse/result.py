"""What a chain of generations gives: numbers by generation, with their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import fail, integer
from ...common.output.plain import printed
from ...common.output.results import Result, dataframe
from ...common.output.verdict import Verdict
from ..equations.training_path.path import OrderParameters
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from .observables import QUANTITIES
from .runs import CollapseRuns


@dataclass(frozen=True)
class Collapse(Result):
    """A chain of generations; index g is generation g + 1, the first one trained on the target itself.

    Attributes
    ----------
    Lambda : (G,)
        Λ of the target that the generation trained on (its covariance's mean eigenvalue).
    b, Q, Theta, parameters : (G,) or (G, basis), (G, p, p), (G, p, K), (G, n)
        The trained network: skip connection, Gram matrix of the weights, overlaps with the original K directions, scalars.
    v : (G,)
        Variance of generated samples outside the span of the weights, v_{t_f}.
    mean, covariance : (G, K), (G, K, K)
        Of generated samples projected on the original directions.
    distance, bulk_distance : (G,)
        To the original target: sliced 2-Wasserstein of these projections; 2-Wasserstein/√d of all other directions.
    error_… : arrays
        Estimated error of each of these.
    rule : str
        How expectations were computed.
    experiment : dict
        The tables.
    simulation, verdict : CollapseRuns and Verdict, optional
        The chain in R^d, and theory against it (not saved with this object).
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "generations": "one object a generation: the attributes by name, and in error the estimated error of each",
        "error_estimate": "largest estimated error of the first generation",
        **dict.fromkeys(("rule", "evaluations", "seconds"), ""),
        "simulation": "the chain in R^d (with simulate)",
        "comparison": "the verdict on theory and chain (with simulate)",
    }

    Lambda: np.ndarray
    b: np.ndarray
    Q: np.ndarray
    Theta: np.ndarray
    parameters: np.ndarray
    v: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    distance: np.ndarray
    bulk_distance: np.ndarray
    error_Lambda: np.ndarray
    error_b: np.ndarray
    error_Q: np.ndarray
    error_Theta: np.ndarray
    error_parameters: np.ndarray
    error_v: np.ndarray
    error_mean: np.ndarray
    error_covariance: np.ndarray
    error_distance: np.ndarray
    error_bulk_distance: np.ndarray
    rule: str
    evaluations: int
    seconds: float
    experiment: dict[str, Any]
    source: Any = field(default=None, repr=False, compare=False, metadata={"transient": True})
    simulation: CollapseRuns | None = field(default=None, repr=False, compare=False, metadata={"transient": True})
    verdict: Verdict | None = field(default=None, repr=False, compare=False, metadata={"transient": True})

    @property
    def problem(self) -> Problem:
        """What was solved (rebuilt from ``experiment`` after loading)."""
        return self.source if self.source is not None else Problem.from_tables(self.experiment)

    @property
    def count(self) -> int:
        """Number of generations."""
        return len(self.Lambda)

    @property
    def error_estimate(self) -> float:
        """Largest estimated error of Q, Θ and b."""
        return float(max(np.max(getattr(self, f"error_{name}"), initial=0.0) for name in ("Q", "Theta", "b")))

    def order_parameters(self, generation: int) -> OrderParameters:
        """The trained network of a generation (1 is the first)."""
        g = integer("generation", generation, at_least=1) - 1
        if g >= self.count:
            fail("generation", generation, f"at most {self.count}")
        problem, Q, Theta = self.problem, self.Q[g], self.Theta[g]
        M = Theta @ problem.target.centroids.T
        b = float(self.b[g]) if self.b.ndim == 1 else self.b[g]
        return OrderParameters(
            problem.training.tau, Q, Theta, M, b, self.parameters[g], Q[None], Theta[None]
        )  # fmt: skip

    def density(self, generation: int, directions: ArrayLike | None = None) -> GeneratedDensity:
        """Law of the projections on the original directions that a generation produces.

        Raises
        ------
        InputError
            If an average of the weights generates: what is kept of a generation is its live network.
        """
        if self.problem.generating is not None:
            fail("sampling.network", self.problem.sampling.network, "live, whose order parameters are kept")
        return GeneratedDensity(self.problem, self.order_parameters(generation), directions)

    def to_json(self) -> dict[str, Any]:
        rows = []
        for g in range(self.count):
            row = {name: getattr(self, name)[g] for name in QUANTITIES}
            row["error"] = {name: getattr(self, f"error_{name}")[g] for name in QUANTITIES}
            rows.append(row)
        fields: dict[str, Any] = {"generations": rows, "error_estimate": self.error_estimate, "rule": self.rule}
        fields |= {"evaluations": self.evaluations, "seconds": self.seconds}
        if self.simulation is not None:
            fields["simulation"] = self.simulation.to_json()
            fields["comparison"] = self.compare().to_json()
        return fields

    def compare(self) -> Verdict:
        """Theory against the chain in R^d that was simulated with it (`asymptotics.autoencoder.collapse.comparison`)."""
        if self.verdict is None:
            fail("simulation", None, "a simulated chain (--simulate)")
        return self.verdict

    def summary(self) -> str:
        """A table by generation."""
        lines = [
            f"{self.count} generations (error estimate {self.error_estimate:.1e}; {self.rule}; {self.seconds:.1f} s)"
        ]
        for g in range(self.count):
            q, theta, mean, covariance = (printed(getattr(self, n)[g], 4) for n in ("Q", "Theta", "mean", "covariance"))
            shown = " ".join(f"{b:z.6f}" for b in np.atleast_1d(self.b[g]))
            lines.append(
                f"generation {g + 1}: Lambda = {self.Lambda[g]:z.6g}  b = {shown}  v = {self.v[g]:z.6g}  "
                f"distance = {self.distance[g]:z.4f}\n    Q = {q}  Theta = {theta}\n    mean = {mean}  "
                f"covariance = {covariance}"
            )
        if self.simulation is not None:
            lines += [self.simulation.summary(), self.compare().summary()]
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """One row a generation as a pandas DataFrame, with the estimated error of each entry (needs pandas)."""
        columns: dict[str, Any] = {"generation": np.arange(1, self.count + 1)}
        for name in QUANTITIES:
            columns |= {name: getattr(self, name), f"{name}_error": getattr(self, f"error_{name}")}
        return dataframe(columns, "generation")
