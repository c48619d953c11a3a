"""What trainings in R^d leave behind: the state for going on, and order parameters along the way, of one run or of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.output.ensemble import Ensembles, Measured
from ...common.output.results import Result, to_builtin


@dataclass(frozen=True, eq=False)
class SgdState(Result):
    """Everything that a training needs to go on bit for bit (the randomness is a function of the step's number).

    Attributes
    ----------
    step : int
        Steps done.
    V, scale : (p, d), (p,)
        Weights W_a = scale_a V_a.
    scalars : (1 + parameters,)
        b, κ.
    recorded_steps, records : (n,), (n, width)
        Order parameters recorded so far.
    key : (2,)
        Key of the generator.
    fingerprint : str
        Which problem this is a state of.
    """

    step: int
    V: np.ndarray
    scale: np.ndarray
    scalars: np.ndarray
    recorded_steps: np.ndarray
    records: np.ndarray
    key: np.ndarray
    fingerprint: str


@dataclass(frozen=True, eq=False)
class TrainedRun(Result):
    """A trained network and its order parameters along the way.

    Attributes
    ----------
    tau, steps : (n,)
        Times recorded (those of the nearest steps) and steps.
    Q, Theta, M : (n, p, p), (n, p, K), (n, p, clusters)
        Σ_s q(s), Σ_s Θ(s), Θ c.
    q, theta : (n, atoms, p, p), (n, atoms, p, K)
        Resolved by atom.
    b, parameters : (n,), (n, parameters)
    weights, references : (p, d), (K, d)
        W at the last time, and the reference directions.
    counts : (atoms,)
        Coordinates of each atom.
    dimension : int
    """

    tau: np.ndarray
    steps: np.ndarray
    Q: np.ndarray
    Theta: np.ndarray
    M: np.ndarray
    q: np.ndarray
    theta: np.ndarray
    b: np.ndarray
    parameters: np.ndarray
    weights: np.ndarray
    references: np.ndarray
    counts: np.ndarray
    dimension: int

    COLUMNS = ("tau", "steps", "Q", "Theta", "M", "b", "parameters")

    def summary(self) -> str:
        """The last order parameters."""
        head = f"SGD at d = {self.dimension}: {len(self.tau)} recorded times"
        if not len(self.tau):
            return head
        rows = (f"{name} = {np.array2string(getattr(self, name)[-1], precision=6)}" for name in ("Q", "Theta", "b"))
        return "\n".join([f"{head}, the last tau = {self.tau[-1]:g} (step {self.steps[-1]})", *rows])


@dataclass(frozen=True)
class Runs(Ensembles):
    """An ensemble of trainings in R^d and the points that each trained network generated.

    Attributes
    ----------
    tau : (times,)
    Q, Theta, M : (runs, times, p, p), (runs, times, p, K), (runs, times, p, clusters)
    b, parameters : (runs, times), (runs, times, n)
    generated : (runs, samples, K)
        Projections u_k·X of generated points, at the last τ.
    norms : (runs, samples)
        ‖X‖²/d of the generated points.
    low_Q, low_Theta, low_M, low_b, low_parameters, low_generated : arrays
        The same from a companion ensemble at ``low_dimension`` = d/4 (no runs where there is none): what the experiment
        itself says about its O(1/d) bias.
    data : str
        The samples trained on; empty: fresh ones from the Gaussian target.
    initial : {"exact", "drawn"}
        Whether every run started from the same overlaps, or drew its random weights anew.
    """

    tau: np.ndarray
    data: str = ""
    initial: str = "exact"

    #: The order parameters, by the names that theory uses.
    NAMES = ("Q", "Theta", "M", "b", "parameters")

    Q, Theta, M, b, parameters = Measured(), Measured(), Measured(), Measured(), Measured()
    generated, norms = Measured(), Measured()
    low_Q, low_Theta, low_M, low_b, low_parameters = Measured(), Measured(), Measured(), Measured(), Measured()
    low_generated = Measured()

    def _along(self) -> tuple[str, np.ndarray]:
        return "tau", self.tau

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"tau": self.tau}
        for key, statistic in (("mean", self.mean), ("sem", self.sem), ("std", self.std)):
            fields[key] = {name: statistic(name) for name in self.NAMES}
        if self.generated.size:
            points = self.generated.reshape(-1, self.generated.shape[-1])
            fields["generated"] = {"mean": points.mean(axis=0), "covariance": np.atleast_2d(np.cov(points.T))}
        fields |= {"runs": self.runs, "dimension": self.dimension, "seed": self.seed, "seconds": self.seconds}
        return dict(to_builtin(fields))

    def summary(self) -> str:
        """Means and standard errors at the last τ."""
        of = f" trained on {self.data}" if self.data else ""
        lines = [f"{self.runs} runs at d = {self.dimension}{of} ({self.seconds:.1f} s), at tau = {self.tau[-1]:g}:"]
        with np.printoptions(precision=5, suppress=True, linewidth=110):
            for name in self.NAMES:
                if getattr(self, name).size:
                    mean, sem = self.mean(name)[-1], self.sem(name)[-1]
                    shown = [np.array2string(np.asarray(v)).replace("\n", "") for v in (mean, sem)]
                    lines.append(f"  {name:<10} {shown[0]} ± {shown[1]}")
        return "\n".join(lines)
