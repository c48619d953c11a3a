"""Theory against experiment in one number: χ² of the mean over runs with the covariance that the theory predicts.

The mean of R runs at dimension d deviates from y_∞(τ) by a Gaussian of covariance C_τ/(d R) and a bias m₁/d; both are
predicted, so that the squared deviation in units of the covariance is χ² with as many degrees of freedom as there are
fluctuating directions, and its p-value is uniform if the theory is right, from a single run upwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array, number
from ..equations.training_path.path import TrainingPath
from ..process.training.results import STACKED, Runs
from .covariances import Fluctuations
from .extrapolation import coefficients
from .fluctuations import fluctuations

#: Directions whose variance, after scaling to unit variances, is below min(½, this/d) are left out: the covariance's own
#: correction, of relative order 1/d (tens of 1/d, squares of the large fluctuations), would dominate there.
UNRESOLVED = 100.0


@dataclass(frozen=True)
class ChiSquare:
    """A χ² statistic, its degrees of freedom and p-value, and the τ at which order parameters were compared."""

    statistic: float
    degrees: int
    p: float
    taus: tuple[float, ...]

    def __str__(self) -> str:
        at = ", ".join(f"{t:.3g}" for t in self.taus)
        return f"chi-square {self.statistic:.1f} for {self.degrees} degrees of freedom at tau = {at}: p = {self.p:.3g}"


def stacked(source: object, p: int, prefix: str = "") -> np.ndarray:
    """(Θ row by row, upper Q, b, κ) along the last axis, of `Runs` or `OrderParameters`.

    Of runs whose optimiser carries averages or velocities along: of all stacked vectors, with the b and κ of the averages after
    those of the network, as `asymptotics.autoencoder.equations.derivative.layout.Layout` has them.
    """
    i, j = np.triu_indices(p)
    if isinstance(source, Runs) and STACKED[0] in source.main.arrays:
        Q, Theta, _, b, kappa = (source.values(name, bool(prefix)) for name in STACKED)
        scalars = np.concatenate([b, kappa], axis=-1)
        scalars = scalars.reshape(*scalars.shape[:-2], -1)
        return np.concatenate([Theta.reshape(*Theta.shape[:-2], -1), Q[..., i, j], scalars], axis=-1)
    Theta, Q, b, kappa = (np.asarray(getattr(source, prefix + name)) for name in ("Theta", "Q", "b", "parameters"))
    b = b[..., None] if b.ndim == Theta.ndim - 2 else b
    return np.concatenate([Theta.reshape(*Theta.shape[:-2], -1), Q[..., i, j], b, kappa], axis=-1)


def predicted(path: TrainingPath, tau: float) -> np.ndarray:
    """What `stacked` is of runs, as the path has it."""
    return np.asarray(path.layout.totals() @ path.state(tau))


def joint_covariance(f: Fluctuations, taus: Sequence[float] | np.ndarray, dimension: float) -> np.ndarray:
    """Covariance at dimension d of the order parameters at several τ, stacked (kept with ``f``)."""
    kept, key = f.__dict__.setdefault("_joint", {}), (*map(float, taus), float(dimension))
    if key not in kept:
        kept[key] = np.block([[f.covariance(float(t), dimension, float(u)) for u in taus] for t in taus])
    return np.array(kept[key])


def statistic(difference: np.ndarray, covariance: np.ndarray, dimension: float) -> tuple[float, int]:
    """(χ², degrees of freedom): the squared deviation over the directions of a covariance that are resolved at d."""
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    moving = spread > 1e-9 * max(float(spread.max(initial=0.0)), 1e-300)
    if not moving.any():
        return 0.0, 0
    unit = difference[moving] / spread[moving]
    values, axes = np.linalg.eigh(covariance[np.ix_(moving, moving)] / np.outer(spread[moving], spread[moving]))
    kept = values > min(0.5, UNRESOLVED / dimension)
    return float(np.sum((axes[:, kept].T @ unit) ** 2 / values[kept])), int(kept.sum())


def default_taus(tau: np.ndarray) -> np.ndarray:
    """Indices of the last recorded τ and of the one nearest to its half."""
    last = len(tau) - 1
    half = int(np.argmin(np.abs(tau - tau[-1] / 2)))
    return np.array(sorted({half, last} if tau[half] > 0 else {last}))


def chi_square(
    path: TrainingPath, runs: Runs, *, taus: ArrayLike | None = None, initial: str | None = None
) -> ChiSquare:
    """Test the mean over runs against the path, with predicted covariance and bias.

    With a companion ensemble at d/4 what is left of the bias, of order 1/d², is measured and taken out.

    Parameters
    ----------
    path : TrainingPath
    runs : Runs
        From `simulation.simulate` or `reduced_chain.simulate`.
    taus : sequence of float, optional
        Recorded training times to use; default the last one and the one nearest to its half.
    initial : {"exact", "drawn"}, optional
        How the runs started; default as they say themselves.

    Raises
    ------
    InputError
        If the runs trained on data, recorded nothing, or the fluctuations of this problem are not available.
    """
    from scipy.stats import chi2

    at, difference, covariance = deviation(path, runs, taus=taus, initial=initial)
    value, degrees = statistic(difference, covariance, runs.dimension)
    return ChiSquare(value, degrees, float(chi2.sf(value, degrees)) if degrees else 1.0, tuple(map(float, at)))


def deviation(
    path: TrainingPath, runs: Runs, *, taus: ArrayLike | None = None, initial: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(τ, mean of the runs minus theory with its bias, predicted covariance of that), as `chi_square` judges them."""
    from .bias import bias

    if runs.data:
        raise InputError("runs: trained on samples; the predicted covariance is that of the Gaussian target")
    if taus is None:
        index = default_taus(runs.tau)
    else:
        wanted = array("taus", taus, ndim=1)
        index = np.array([int(np.argmin(np.abs(runs.tau - t))) for t in wanted])
        if np.any(
            np.abs(runs.tau[index] - wanted)
            > 1e-6 * (1 + wanted) + 2 * path.problem.training.learning_rate / runs.dimension
        ):
            raise InputError(f"taus = {wanted.tolist()}: must be among the recorded ones, {runs.tau.tolist()}")
    at = np.minimum(runs.tau[index], path.tau_max)
    d, low, R = runs.dimension, runs.low_dimension, runs.runs
    initial = runs.initial if initial is None else initial
    f = fluctuations(path, initial=initial)

    def beyond(values: np.ndarray, dimension: int) -> np.ndarray:
        m1 = bias(path, dimension, initial=initial)
        expected = [predicted(path, float(t)) + m1(float(t)) for t in at]
        return np.asarray(values[:, index].mean(axis=0).ravel() - np.concatenate(expected))

    difference = beyond(stacked(runs, path.p), d)
    covariance = joint_covariance(f, at, d) / R
    if len(runs.low_b) > 1:
        a, b = coefficients(d, low, 2)
        difference = a * difference + b * beyond(stacked(runs, path.p, "low_"), low)
        covariance = a**2 * covariance + b**2 * joint_covariance(f, at, low) / len(runs.low_b)
    # A component without fluctuations has no variance to be measured in: it is compared exactly, elsewhere.
    numerical = np.where(np.diag(covariance) > 0, path.error_estimate, 0.0)
    return at, difference, covariance + np.diag(numerical**2)


def power(
    path: TrainingPath,
    wrong: TrainingPath,
    dimension: int,
    runs: int,
    *,
    taus: ArrayLike | None = None,
    level: float = 0.01,
) -> float:
    """Probability that ``runs`` runs at ``dimension`` reject the theory ``wrong`` where ``path`` is right.

    The statistic is noncentral χ², with the squared distance of the two theories in units of the covariance.
    """
    from scipy.stats import chi2, ncx2

    number("level", level, above=0, below=1)
    at = np.array([path.tau_max / 2, path.tau_max]) if taus is None else array("taus", taus, ndim=1)
    shift = np.concatenate([predicted(wrong, float(t)) - predicted(path, float(t)) for t in at])
    covariance = joint_covariance(fluctuations(wrong), at, dimension) / runs
    distance, degrees = statistic(shift, covariance, dimension)
    return float(ncx2.sf(chi2.isf(level, degrees), degrees, distance))
