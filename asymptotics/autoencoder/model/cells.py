"""Clusters with what the network is told of their label: the cells that all averages over the target run over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .data.target import GaussianMixture
from .network.denoiser import Denoiser

#: The label of a cell that has none, or whose label is dropped.
DROPPED = -1


@dataclass(frozen=True)
class Cells:
    """(c, ℓ(c)) of weight π_c (1 − p₀) and (c, ∅) of weight π_c p₀; without a labelled network the clusters themselves.

    Attributes
    ----------
    cluster, label : (cells,)
        Index of the cluster; the label, `DROPPED` for none.
    weight : (cells,)
    one_hot : (cells, L)
        The label as the network is told it: all zero where it is dropped.
    """

    cluster: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    one_hot: np.ndarray


def told(label: int, labels: int) -> np.ndarray:
    """The one-hot label, (L,); zeros for `DROPPED`."""
    return np.array([float(label == k) for k in range(labels)])


def cells_of(target: GaussianMixture, denoiser: Denoiser, dropout: float) -> Cells:
    """The cells of a target, for a denoiser and a probability that a label is dropped."""
    n = target.clusters
    if not denoiser.labelled:
        none = np.zeros((n, denoiser.labels or 0))
        return Cells(np.arange(n), np.full(n, DROPPED), np.asarray(target.weights), none)
    own = target.cluster_labels
    labels = np.full(n, DROPPED) if own is None else own
    kept = [(c, int(labels[c]), float(target.weights[c]) * (1 - dropout)) for c in range(n) if dropout < 1]
    dropped = [(c, DROPPED, float(target.weights[c]) * dropout) for c in range(n) if dropout > 0]
    cluster, label, weight = zip(*kept, *dropped, strict=True)
    count = int(denoiser.labels or 0)
    one_hot = np.array([told(x, count) for x in label]).reshape(len(label), count)
    return Cells(np.array(cluster), np.array(label), np.array(weight), one_hot)
