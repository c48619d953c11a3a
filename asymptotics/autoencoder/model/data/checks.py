"""What the numbers of a Gaussian mixture may be: each checked as a user gave it, and brought into its one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, fail, integer
from ....common.numerics.algebra.gram import COMPUTED

#: What a user calls them.
WEIGHTS, EIGENVALUES, MASSES = "target.weights", "target.eigenvalues", "target.masses"
OVERLAPS, LABELS, CENTROIDS = "target.reference_overlaps", "target.labels", "target.centroids"


def as_column(values: np.ndarray) -> str:
    """A hint for a flat list: brackets are easily forgotten."""
    if values.ndim != 1 or not 0 < values.size <= 6:
        return ""
    return f" (did you mean {[[v] for v in values.tolist()]}?)"


def checked_centroids(given: ArrayLike) -> np.ndarray:
    """c, (clusters, K)."""
    centroids = array(CENTROIDS, given)
    if centroids.ndim != 2:
        fail(CENTROIDS, given, f"one row of coordinates a cluster{as_column(centroids)}")
    if not centroids.size:
        fail(CENTROIDS, given, "at least one cluster with at least one coordinate")
    return centroids


def without_spectrum(given: Mapping[str, Any]) -> None:
    """What a spectrum says is not said twice; arrays are those that an earlier pass made of it."""
    for name, value in given.items():
        if value is not None and not isinstance(value, np.ndarray):
            raise InputError(f"target.{name}: must be left out where target.spectrum is given")


def checked_weights(given: ArrayLike | None, clusters: int) -> np.ndarray:
    """π_c, (clusters,); equal where none are given."""
    if given is None:
        return np.full(clusters, 1.0 / clusters)
    weights = array(WEIGHTS, given, shape=(clusters,))
    if np.any(weights < 0) or abs(weights.sum() - 1) > 1e-8:
        fail(WEIGHTS, given, "non-negative and sum to 1")
    return weights / weights.sum()


def checked_labels(given: ArrayLike, clusters: int) -> np.ndarray:
    """The label of every cluster, integers 0 … L − 1, each at least once."""
    labels = array(LABELS, given, ndim=1)
    if len(labels) != clusters or np.any(labels != np.round(labels)) or set(labels) != set(range(len(set(labels)))):
        fail(LABELS, given, f"{clusters} integers 0 ... L - 1, one for each cluster and each at least once")
    return labels.astype(np.int64)


def _rows(given: ArrayLike | None, masses: ArrayLike | None) -> np.ndarray:
    """ς_s(c) as rows: a number is isotropic, and so is a multiple of the identity; a list is the one row of its masses."""
    values = array(EIGENVALUES, [[1.0]] if given is None else given)
    if values.ndim == 0 or values.shape == (1,):
        return values.reshape(1, 1)
    if values.ndim == 1 and masses is not None and values.shape == np.shape(masses):
        return values[None, :]
    allowed = "a number (isotropic), or a row for each cluster with a column for each atom"
    if values.ndim == 1:
        fail(EIGENVALUES, given, f"{allowed}{as_column(values)}", "shape")
    if values.ndim != 2:
        fail(EIGENVALUES, given, allowed)
    square = len(values) == values.shape[1] > 1
    if square and masses is None and np.array_equal(values, values[0, 0] * np.eye(len(values))):
        return values[:1, :1]
    return values


def _eigenvalues(given: ArrayLike | None, masses: ArrayLike | None, clusters: int) -> np.ndarray:
    """ς_s(c) ≥ 0, (1 or clusters, atoms)."""
    values = _rows(given, masses)
    if len(values) not in (1, clusters) or values.shape[1] < 1:
        allowed = f"one row, or one for each of the {clusters} clusters{as_column(values)}"
        fail(EIGENVALUES, given, allowed, "shape")
    if np.any(values < 0):
        fail(EIGENVALUES, given, ">= 0 everywhere (a covariance is positive semi-definite)")
    return values


def _masses(given: ArrayLike | None, atoms: int) -> np.ndarray:
    """p_s, (atoms,); of one atom it need not be said."""
    if given is None and atoms != 1:
        raise InputError(
            f"{MASSES}: missing; the {atoms} columns of eigenvalues are atoms of a spectrum, with a mass each"
            " (isotropic clusters: one number, or one column)"
        )
    masses = array(MASSES, np.ones(1) if given is None else given, shape=(atoms,))
    if np.any(masses < 0) or abs(masses.sum() - 1) > 1e-8:
        fail(MASSES, given, "non-negative and sum to 1")
    return masses


def _overlaps(given: ArrayLike | None, masses: np.ndarray, directions: int) -> np.ndarray:
    """T(s), (atoms, K, K); directions spread evenly over the atoms where none are given."""
    overlaps = masses[:, None, None] * np.eye(directions) if given is None else given
    overlaps = array(OVERLAPS, overlaps, shape=(len(masses), directions, directions))
    asymmetric = not np.allclose(overlaps, overlaps.transpose(0, 2, 1), atol=COMPUTED)
    if asymmetric or np.any(np.linalg.eigvalsh(overlaps) < -COMPUTED):
        fail(OVERLAPS, given, "symmetric positive semi-definite for each atom")
    return overlaps


def covariances(
    eigenvalues: ArrayLike | None, masses: ArrayLike | None, overlaps: ArrayLike | None, shape: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Eigenvalues, masses and overlaps of (clusters, K) centroids."""
    values = _eigenvalues(eigenvalues, masses, shape[0])
    shares = _masses(masses, values.shape[1])
    overlaps = _overlaps(overlaps, shares, shape[1])
    return {"eigenvalues": values, "masses": shares / shares.sum(), "reference_overlaps": overlaps}


def of_spectrum(name: str, spikes: int | None, directions: int) -> dict[str, Any]:
    """Eigenvalues, masses, overlaps and number of spikes of a spectrum whose leading eigenvectors are the reference directions."""
    from ....common.numerics.laws.spectra import load_spectrum

    values = np.asarray(load_spectrum(name).eigenvalues, dtype=np.float64)
    atoms, K = len(values), directions
    if atoms < K:
        fail("target.spectrum", name, f"a spectrum of at least {K} eigenvalues")
    overlaps = np.zeros((atoms, K, K))
    overlaps[np.arange(K), np.arange(K), np.arange(K)] = 1.0
    spikes = K if spikes is None else integer("target.spikes", spikes, at_least=0, at_most=atoms - 1)
    masses = np.where(np.arange(atoms) < spikes, 0.0, 1.0 / (atoms - spikes))
    return {"eigenvalues": values[None, :], "masses": masses, "reference_overlaps": overlaps, "spikes": spikes}
