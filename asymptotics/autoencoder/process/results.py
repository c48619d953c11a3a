"""What a training in R^d leaves behind: its state for going on, and its order parameters along the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.output.results import Result


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
