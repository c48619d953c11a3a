"""An ensemble of data sets, each with its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...common.output.ensemble import PerRun, spread, standard_error
from ...common.output.results import Result

#: What every data set gives along τ.
ALONG = (
    "train_loss",
    "test_loss",
    "train_potential",
    "test_potential",
    "gap",
    "agreement",
    "Q",
    "Theta",
    "b",
    "parameters",
)


@dataclass(frozen=True)
class FiniteRuns(PerRun, Result):
    """Networks trained on fixed sets of n samples with many passes.

    Parameters
    ----------
    dimension, samples, runs : int
        d, n, data sets.
    tau, epochs : ndarray, shape (times,)
        Training times recorded, and passes over the data by then.
    train_loss, test_loss : ndarray, shape (runs, times)
        Loss per dimension on the training samples and of the population (of images: on fresh ones).
    train_potential, test_potential : ndarray, shape (runs, times)
        E_t w ℓ on training and fresh samples: the part of order one of the loss that depends on the vectors (not divided by d).
    agreement : ndarray, shape (runs, times)
        Cosine of the outputs, without skip, of two networks trained on the two halves of the data, on fresh noisy samples.
    Q, Theta, b, parameters : ndarray, shape (runs, times, …)
        Order parameters of the network of all n samples.
    generated, trained : ndarray, shapes (runs, points, K), (runs, samples, K)
        Projections of generated points and of the training samples on the reference directions.
    norms, distance_train, distance_fresh, sample_agreement : ndarray, shape (runs, points)
        ‖X‖²/d; squared distance per dimension to the nearest training point, and to the nearest of as many fresh ones (NaN where
        there are fewer); cosine of the points that the two halves' networks generate from the same noise.
    copied : ndarray, shape (runs,)
        Share of points nearer to a training point than a third of the distance to the second nearest.
    data : str
        Where the samples come from; empty: the Gaussian target.
    seed : int
    experiment : dict
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "mean": "means over data sets along tau, and of the generated points",
        "sem": "their standard errors",
        "std": "spread over data sets",
        "tau": "",
        "epochs": "",
        "generated": "mean and covariance of the projections of all generated points",
        **dict.fromkeys(("samples", "runs", "dimension", "data", "seed", "settings", "seconds"), ""),
        "tau_star": "best stopping time among those recorded; null where the test loss falls to the end",
    }

    dimension: int
    samples: int
    runs: int
    tau: np.ndarray
    epochs: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    train_potential: np.ndarray
    test_potential: np.ndarray
    agreement: np.ndarray
    Q: np.ndarray
    Theta: np.ndarray
    b: np.ndarray
    parameters: np.ndarray
    generated: np.ndarray
    trained: np.ndarray
    norms: np.ndarray
    distance_train: np.ndarray
    distance_fresh: np.ndarray
    sample_agreement: np.ndarray
    copied: np.ndarray
    data: str
    seed: int
    experiment: dict[str, Any]
    seconds: float

    @property
    def gap(self) -> np.ndarray:
        """Test minus train potential, (runs, times): what is learned of the samples alone, of order one."""
        return self.test_potential - self.train_potential

    @property
    def tau_star(self) -> float | None:
        """τ of the least mean test loss among those recorded; None where it still falls at the last."""
        mean = self.test_loss.mean(axis=0)
        k = int(np.argmin(mean))
        return None if k == len(mean) - 1 else float(self.tau[k])

    @property
    def memory(self) -> np.ndarray:
        """Mean of the distance to fresh points minus that to training points, per run: 0 without memory."""
        found: np.ndarray = np.mean(self.distance_fresh - self.distance_train, axis=1)
        return found

    def to_json(self) -> dict[str, Any]:
        per_run = {
            name: getattr(self, name).mean(axis=1) for name in ("distance_train", "distance_fresh", "sample_agreement")
        }
        per_run |= {"copied": self.copied, "memory": self.memory}
        content: dict[str, Any] = {"tau": self.tau, "epochs": self.epochs}
        for key, statistic in (("mean", np.mean), ("sem", standard_error), ("std", spread)):
            content[key] = {name: statistic(getattr(self, name), axis=0) for name in ALONG}
            content[key] |= {name: statistic(values, axis=0) for name, values in per_run.items()}
        points = self.generated.reshape(-1, self.generated.shape[-1])
        content["generated"] = {"mean": points.mean(axis=0), "covariance": np.atleast_2d(np.cov(points.T))}
        content |= {"tau_star": self.tau_star, "samples": self.samples, "runs": self.runs, "dimension": self.dimension}
        content |= {"data": self.data, "seed": self.seed, "settings": self.experiment, "seconds": self.seconds}
        return content

    def summary(self) -> str:
        of = f" of {self.data}" if self.data else ""
        lines = [
            f"{self.runs} data sets of n = {self.samples}{of}, d = {self.dimension}, up to {self.epochs[-1]:z.4g} epochs "
            f"({self.seconds:.1f} s)",
            f"  {'tau':>9} {'epochs':>9} {'train loss/d':>20} {'test loss/d':>20} {'gap':>20} {'agreement':>20}",
        ]
        for k, tau in enumerate(self.tau):
            row = " ".join(
                f"{self.mean(name)[k]:>z11.5g} ± {self.sem(name)[k]:<6.1g}"
                for name in ("train_loss", "test_loss", "gap", "agreement")
            )
            lines.append(f"  {tau:>z9.4g} {self.epochs[k]:>z9.4g} {row}")
        star = "none: the test loss falls to the end" if self.tau_star is None else f"{self.tau_star:z.4g}"
        lines.append(f"  best stopping time {star}")
        lines.append(
            f"  generated points: distance² to training points {self.distance_train.mean():z.5g}, to as many fresh ones "
            f"{self.distance_fresh.mean():z.5g}; copied {self.copied.mean():z.3g}; agreement of the halves "
            f"{self.sample_agreement.mean():z.5g}"
        )
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """Means and standard errors along τ as a pandas DataFrame (needs pandas)."""
        return self.with_errors(ALONG, tau=self.tau, epochs=self.epochs)
