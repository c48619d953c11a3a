"""The target measured on a user's samples: class means, a common eigenbasis, spectra by class, and what they leave out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, boolean, fail, integer
from ....common.input.data_files import data_files
from .samples import SHIPPED, check_labels, load_samples

#: Class means span a direction if its singular value is above this share of the largest: measured means differ by what the data say.
SPANNED = 1e-9
#: Off-diagonal mass counts as non-commuting above its sampling noise by this many (Gaussian) standard deviations.
SIGNIFICANCE = 6.0


class CommutationWarning(UserWarning):
    """The class covariances do not commute: their off-diagonal parts in the common eigenbasis are left out."""


def group(values: np.ndarray, atoms: int) -> np.ndarray:
    """Sizes of the ``atoms`` runs of sorted values with the least sum of squared deviations from the runs' means.

    Exact, by dynamic programming (Fisher 1958, Jenks' natural breaks).
    """
    d = len(values)
    if atoms == d:
        return np.ones(d, dtype=np.int64)
    first, second = np.concatenate([[0.0], np.cumsum(values)]), np.concatenate([[0.0], np.cumsum(values**2)])

    def cost(start: np.ndarray, end: int) -> np.ndarray:
        return np.maximum(second[end] - second[start] - (first[end] - first[start]) ** 2 / (end - start), 0.0)

    best = np.concatenate([[0.0], [float(cost(np.array([0]), j)[0]) for j in range(1, d + 1)]])
    back = np.zeros((atoms, d + 1), dtype=np.int64)
    for k in range(1, atoms):
        new = np.full(d + 1, np.inf)
        for j in range(k + 1, d + 1):
            starts = np.arange(k, j)
            total = best[starts] + cost(starts, j)
            i = int(np.argmin(total))
            new[j], back[k, j] = total[i], starts[i]
        best = new
    edges = [d]
    for k in range(atoms - 1, 0, -1):
        edges.append(int(back[k, edges[-1]]))
    return np.diff([0, *edges[::-1]])


def _oriented(vectors: np.ndarray) -> np.ndarray:
    """Rows with their entry of largest modulus made positive: signs that do not depend on the linear-algebra library."""
    signs = np.sign(vectors[np.arange(len(vectors)), np.argmax(np.abs(vectors), axis=1)])
    return np.asarray(vectors * np.where(signs == 0, 1.0, signs)[:, None])


def _sampling_noise(x: np.ndarray, off: np.ndarray) -> tuple[float, float]:
    """Expected ‖off-diagonal‖_F² of the covariance of centred samples (n, d) whose true off-diagonals vanish, and its spread."""
    n, square = len(x), x * x
    # Σ_{i≠j} Var(x_i x_j)/n, with Σ_{i≠j} E[x_i² x_j²] = E[‖x‖⁴ − Σ_i x_i⁴].
    pairs = float(np.sum(square.sum(axis=1) ** 2) - np.vdot(square, square)) / n
    mean = max(pairs - float(np.sum(off**2)), 0.0) / n
    v = square.mean(axis=0)
    # Independent pairs that share this: (Σ v_i v_j)²/Σ (v_i v_j)².
    top, bottom = v.sum() ** 2 - np.sum(v**2), np.sum(v**2) ** 2 - np.sum(v**4)
    pairs_in_effect = max(top**2 / (2 * bottom), 1.0) if bottom > 0 else 1.0
    return mean, mean * np.sqrt(2 / pairs_in_effect)


def measure(samples: ArrayLike, labels: ArrayLike | None, atoms: int | None, centre: bool) -> dict[str, Any]:
    """The fields of an `asymptotics.autoencoder.model.data.target.EmpiricalMixture` of these samples."""
    x, found = load_samples(samples, "samples")
    marks = found if labels is None else check_labels(labels, len(x))
    names, index = (np.zeros(1, np.int64), np.zeros(len(x), np.int64)) if marks is None else _classes(marks)
    n, d = x.shape
    count = d if atoms is None else integer("atoms", atoms, at_least=1, at_most=d)
    shift = x.mean(axis=0) if boolean("centre", centre) else np.zeros(d)
    x = x - shift
    frequencies = np.bincount(index) / n
    means = np.array([x[index == c].mean(axis=0) for c in range(len(names))])
    within = x - means[index]
    pooled, basis = np.linalg.eigh(within.T @ within / n)
    if pooled[-1] <= 0:
        fail("samples", float(pooled[-1]), "of non-zero variance within the classes")
    pooled = np.where(pooled <= d * np.finfo(float).eps * pooled[-1], 0.0, pooled)[::-1]
    basis = _oriented(basis.T[::-1]).T
    spectra, commutation, noise, spread = _spectra(within @ basis, index, len(names))
    counts = group(pooled, count)
    edges = np.concatenate([[0], np.cumsum(counts)])[:-1]
    atom_pooled = np.repeat(np.add.reduceat(pooled, edges) / counts, counts)
    references = _span(means @ basis, frequencies, float(np.sqrt(pooled.sum())))
    overlaps = np.add.reduceat(references[:, None] * references[None], edges, axis=2).transpose(2, 0, 1)
    source = str(samples) if isinstance(samples, (str, os.PathLike)) and labels is None else ""
    return dict(
        centroids=means @ basis @ references.T,
        weights=frequencies,
        eigenvalues=np.add.reduceat(spectra, edges, axis=1) / counts,
        masses=counts / d,
        reference_overlaps=overlaps,
        basis=basis,
        references=references,
        counts=counts,
        shift=shift,
        pooled=pooled,
        commutation=commutation,
        commutation_noise=noise,
        commutation_spread=spread,
        grouping=float(np.sum((pooled - atom_pooled) ** 2) / np.sum(pooled**2)),
        labels=names,
        source=source,
        options={"centre": bool(centre), "diagonal": True} | ({} if atoms is None else {"atoms": count}),
    )


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if np.any(sizes < 2):
        fail("labels", names[np.argmin(sizes)].item(), "the label of at least two samples (it has one)")
    return names, index.ravel()


def _spectra(within: np.ndarray, index: np.ndarray, clusters: int) -> tuple[np.ndarray, ...]:
    """Diagonals (clusters, d) of the class covariances; their off-diagonal shares, with noise level and spread."""
    diagonals, rows = [], []
    for c in range(clusters):
        x = within[index == c]
        covariance = x.T @ x / len(x)
        diagonal = np.diag(covariance)
        total = max(float(np.sum(covariance**2)), np.finfo(float).tiny)
        off = covariance - np.diag(diagonal)
        # With one class the basis is that of its own covariance: only rounding is left, and no noise.
        mean, spread = _sampling_noise(x, off) if clusters > 1 else (0.0, 0.0)
        rows.append([np.sum(off**2) / total, mean / total, spread / total])
        diagonals.append(np.maximum(diagonal, 0.0))
    return np.array(diagonals), *np.array(rows).T


def _span(means: np.ndarray, weights: np.ndarray, spread: float) -> np.ndarray:
    """Orthonormal basis (K, d) of the span of the class means; the leading eigenvector where they all vanish."""
    _, values, vectors = np.linalg.svd(np.sqrt(weights)[:, None] * means, full_matrices=False)
    rank = int(np.sum(values > SPANNED * max(float(values[0]), spread)))
    return _oriented(vectors[:rank]) if rank else np.eye(1, means.shape[1])


def warn_of(measured: Mapping[str, Any]) -> None:
    """Say in numbers what the common eigenbasis leaves out, unless the finite number of samples explains it."""
    share, noise = measured["commutation"], measured["commutation_noise"]
    if not np.any(share > noise + SIGNIFICANCE * measured["commutation_spread"] + 1e-12):
        return
    worst = int(np.argmax(share))
    warnings.warn(
        f"the class covariances do not commute: {float(measured['weights'] @ share):.3g} of their squared Frobenius norm is"
        f" off-diagonal in the common eigenbasis on average, {share[worst]:.3g} for class {measured['labels'][worst]}"
        f" (sampling noise alone: {noise[worst]:.2g}); the theory leaves this part out",
        CommutationWarning,
        stacklevel=4,
    )


def measure_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """`measure`, from the keys ``samples`` (a name or file), ``atoms``, ``centre`` and ``diagonal`` of an experiment's [target]."""
    allowed = ("samples", "atoms", "centre", "diagonal")
    for key in table:
        if key not in allowed:
            raise InputError(
                f"target.{key}: must be left out where target.samples is given; allowed are {', '.join(allowed)}"
            )
    source, atoms = table["samples"], table.get("atoms")
    if not isinstance(source, str):
        fail("target.samples", source, f"{' or '.join(SHIPPED)}, or the path of a .npy or .npz file")
    if atoms is not None:
        integer("target.atoms", atoms, at_least=1)
    centre, diagonal = (boolean(f"target.{key}", table.get(key, False)) for key in ("centre", "diagonal"))
    measured = _kept(source, data_files(source, any_name=True).get(source, ""), atoms, centre)
    if not diagonal:
        warn_of(measured)
    return measured


@lru_cache(maxsize=4)
def _kept(source: str, content: str, atoms: int | None, centre: bool) -> dict[str, Any]:
    """Measured once a process: every changed key of an experiment builds its target anew."""
    return measure(source, None, atoms, centre)
