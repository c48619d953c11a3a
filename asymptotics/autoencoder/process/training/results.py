"""What trainings in R^d leave behind: the state for going on, and order parameters along the way, of one run or of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ....common.output.ensemble import Ensembles, Measured
from ....common.output.plain import printed
from ....common.output.results import Result
from .optimiser import Stack


def trained_skip(b: np.ndarray) -> Any:
    """b as it is shown: (…, skips), or without this axis where there is one ψ."""
    if b.shape[-1] != 1:
        return b.copy()
    return float(b[0]) if b.ndim == 1 else b[..., 0].copy()


#: What a run has of all that its optimiser follows, by name.
STACKED = ("stacked_Q", "stacked_Theta", "stacked_M", "stacked_b", "stacked_parameters")


def measured(
    stack: Stack,
    centroids: np.ndarray,
    Q: np.ndarray,
    Theta: np.ndarray,
    b: np.ndarray,
    kappa: np.ndarray,
) -> dict[str, np.ndarray]:
    """Order parameters of a run by name: of the network, and of all stacked vectors where the optimiser carries some along.

    The velocity of a fixed momentum, whose overlaps vanish as d → ∞, is left out.

    Parameters
    ----------
    Q, Theta, b, kappa : (n, P, P), (n, P, K), (n, S, skips), (n, S, parameters)
    """
    p = stack.p
    found = {"Q": Q[:, :p, :p], "Theta": Theta[:, :p], "M": Theta[:, :p] @ centroids.T}
    found |= {"b": trained_skip(b[:, 0]), "parameters": kappa[:, 0]}
    if not stack.plain:
        kept, rows = stack.followed, stack.followed_scalars
        values = (Q[:, kept][:, :, kept], Theta[:, kept], Theta[:, kept] @ centroids.T, b[:, rows], kappa[:, rows])
        found |= dict(zip(STACKED, values, strict=True))
    return found


@dataclass(frozen=True, eq=False)
class SgdState(Result):
    """Everything that a training needs to go on bit for bit (the randomness is a function of the step's number).

    Attributes
    ----------
    step : int
        Steps done.
    V, mixing : (P, d), (P, P)
        Weights W = S V, and what the optimiser carries along (S is diagonal but for plain SGD on single samples).
    gram : (P, P)
        V Vᵀ/d as it is carried (`asymptotics.autoencoder.process.training.mixed_steps`).
    scalars : (S, skips + parameters)
        b_k, κ, in every row of scalars.
    recorded_steps, records : (n,), (n, width)
        Order parameters recorded so far.
    key : (2,)
        Key of the generator.
    fingerprint : str
        Which problem this is a state of.
    """

    step: int
    V: np.ndarray
    mixing: np.ndarray
    gram: np.ndarray
    scalars: np.ndarray
    recorded_steps: np.ndarray
    records: np.ndarray
    key: np.ndarray
    fingerprint: str

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        if "scale" in stored:
            # Files of 0.1.0 have one factor a vector.
            V = stored["V"]
            rest = {name: value for name, value in stored.items() if name != "scale"}
            stored = rest | {"mixing": np.diag(stored["scale"]), "gram": V @ V.T / V.shape[1]}
        return super()._restored(stored)


def _nothing() -> np.ndarray:
    return np.empty(0)


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
    b, parameters : (n,) or (n, skips), (n, parameters)
    weights, references : (p, d), (K, d)
        W at the last time, and the reference directions.
    counts : (atoms,)
        Coordinates of each atom.
    dimension : int
    stacked_Q, stacked_Theta : (n, P, P), (n, P, K)
        Of the network's vectors and of what an optimiser carries along (`asymptotics.autoencoder.process.training.optimiser`).
    stacked_b, stacked_parameters : (n, S, skips), (n, S, parameters)
        Of all rows of scalars.
    stacked_weights : (P, d)
        At the last time.
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
    stacked_Q: np.ndarray = field(default_factory=_nothing, repr=False)
    stacked_Theta: np.ndarray = field(default_factory=_nothing, repr=False)
    stacked_b: np.ndarray = field(default_factory=_nothing, repr=False)
    stacked_parameters: np.ndarray = field(default_factory=_nothing, repr=False)
    stacked_weights: np.ndarray = field(default_factory=_nothing, repr=False)

    COLUMNS = ("tau", "steps", "Q", "Theta", "M", "b", "parameters")

    def network(self, stack: Stack, average: int | None = None) -> tuple[np.ndarray, Any, np.ndarray]:
        """W (p, d), b and κ at the last recorded time, of the network itself or of one of its averages."""
        part, row = stack.place(average)
        return self.stacked_weights[part], trained_skip(self.stacked_b[-1, row]), self.stacked_parameters[-1, row]

    def summary(self) -> str:
        """The last order parameters."""
        head = f"SGD at d = {self.dimension}: {len(self.tau)} recorded times"
        if not len(self.tau):
            return head
        rows = (f"{name} = {printed(getattr(self, name)[-1], 6)}" for name in ("Q", "Theta", "b"))
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

    Notes
    -----
    With averages, or momentum that has friction, ``values`` has also `STACKED`: overlaps of the network's vectors, of their
    velocities and of the averages, in this order; b and κ of the network and of the averages.
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "tau": "training times recorded, of the nearest steps",
        "mean": "means over runs of Q, Theta, M, b, parameters, by name; of averages (ema) and velocities as in the theory",
        "sem": "standard errors of these means",
        "std": "standard deviations over runs",
        "generated": "mean and covariance of the projections u_k·X of all generated points",
        "runs": "",
        "dimension": "",
        "seed": "seed of the ensemble",
        "seconds": "",
    }

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
            fields[key] = {name: statistic(name) for name in self.NAMES} | self.carried(statistic)
        if self.experiment["denoiser"].get("skip_basis") == []:
            # No skip connection is trained.
            fields |= {key: fields[key] | {"b": [[]] * len(self.tau)} for key in ("mean", "sem", "std")}
        if self.generated.size:
            points = self.generated.reshape(-1, self.generated.shape[-1])
            fields["generated"] = {"mean": points.mean(axis=0), "covariance": np.atleast_2d(np.cov(points.T))}
        fields |= {"runs": self.runs, "dimension": self.dimension, "seed": self.seed, "seconds": self.seconds}
        return fields

    def carried(self, statistic: Callable[[str], np.ndarray]) -> dict[str, Any]:
        """Averages (``ema``) and velocities of the network, as JSON shows them, by a statistic over runs of named quantities.

        Of an average: γ, Θ̄, w̄w̄ᵀ/d, ``cross`` = w̄wᵀ/d, M̄, b̄, κ̄ along τ; a list of these where ``training.ema`` is one.
        """
        if STACKED[0] not in self.main.arrays:
            return {}
        Q, Theta, M, b, kappa = (statistic(name) for name in STACKED)
        p, asked = self.Q.shape[-1], self.experiment["training"].get("ema")
        found: dict[str, Any] = {}
        if self.experiment["training"].get("momentum") is not None and Q.shape[-1] == p * (1 + b.shape[-2]):
            at = slice(p, 2 * p)
            found["velocity"] = {"Theta": Theta[..., at, :], "Q": Q[..., at, at], "cross": Q[..., at, :p]}
        averages = []
        first = Q.shape[-1] - p * (b.shape[-2] - 1)
        for k in range(1, b.shape[-2]):
            at = slice(first + (k - 1) * p, first + k * p)
            fields = {"gamma": (asked if isinstance(asked, list) else [asked])[k - 1], "Theta": Theta[..., at, :]}
            fields |= {"Q": Q[..., at, at], "cross": Q[..., at, :p], "M": M[..., at, :]}
            averages.append(fields | {"b": trained_skip(b[..., k, :]), "parameters": kappa[..., k, :]})
        if averages:
            found["ema"] = averages if isinstance(asked, list) else averages[0]
        return found

    def summary(self) -> str:
        """Means and standard errors at the last τ."""
        of = f" trained on {self.data}" if self.data else ""
        lines = [f"{self.runs} runs at d = {self.dimension}{of} ({self.seconds:.1f} s), at tau = {self.tau[-1]:g}:"]
        for name in self.NAMES:
            if getattr(self, name).size:
                mean, sem = printed(self.mean(name)[-1]), printed(self.sem(name)[-1])
                lines.append(f"  {name:<10} {mean} ± {sem}")
        return "\n".join(lines)
