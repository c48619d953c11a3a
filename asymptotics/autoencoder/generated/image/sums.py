"""Sums of unit Gaussians over many nodes, or over pieces of a line, each point summing over those in reach."""

from __future__ import annotations

import numpy as np

#: Gaussian tails are cut at this many standard deviations (relative weight 2e-10).
CUT = 6.7
#: Nodes closer than this share of a standard deviation are merged where there are many.
MERGED, MANY = 1 / 16, 100_000


def merged(centres: np.ndarray, w: np.ndarray, side: float = MERGED) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the plane merged at their mean on a lattice that the Gaussian part does not see."""
    if len(w) < MANY or centres.shape[1] != 2:
        return centres, w
    cell = np.floor((centres - centres.min(axis=0)) / side).astype(np.int64)
    _, which = np.unique(cell[:, 0] * (cell[:, 1].max() + 1) + cell[:, 1], return_inverse=True)
    total = np.bincount(which, w)
    return np.stack([np.bincount(which, w * c) / total for c in centres.T], axis=1), total


class Pieces:
    """Pieces of a line with their masses, found by bins of the coordinate along which they extend most."""

    REACH, BINS = 9.5, 512

    def __init__(self, first: np.ndarray, last: np.ndarray, weights: np.ndarray, tilts: np.ndarray) -> None:
        self.parts = tuple(np.ascontiguousarray(part) for part in (first, last, weights, tilts))
        low, high = np.minimum(first, last), np.maximum(first, last)
        extent = high.max(axis=0) - low.min(axis=0)
        self.axis = int(np.argmax(extent))
        a, b = low[:, self.axis] - self.REACH, high[:, self.axis] + self.REACH
        # Equal numbers of pieces to a bin: much of the mass may be in one place.
        inner = np.unique(np.quantile((a + b) / 2, np.linspace(0, 1, self.BINS + 1)[1:-1]))
        self.edges = np.concatenate([[a.min()], inner, [b.max()]])
        begin, end = self._bin(a), self._bin(b)
        count = end - begin + 1
        pieces = np.repeat(np.arange(len(a)), count)
        bins = np.repeat(begin, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        order = np.argsort(bins, kind="stable")
        self.members, self.starts = pieces[order], np.searchsorted(bins[order], np.arange(len(self.edges)))

    def _bin(self, x: np.ndarray) -> np.ndarray:
        return np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.edges) - 2)

    def sum(self, points: np.ndarray) -> np.ndarray:
        """Their Gaussian sums at points (points, m)."""
        from .window import segment_sum

        x, out = points[:, self.axis], np.empty(len(points))
        bins = np.where((x < self.edges[0]) | (x > self.edges[-1]), -1, self._bin(x))
        first, last, w, tilts = self.parts
        segment_sum(points, first, last, w, tilts, bins, self.starts, self.members, out)
        return out


def gaussian_sum(points: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ_i w_i exp(−|x − centre_i|²/2), each x summing over the centres in reach."""
    from .window import window_sum

    m = points.shape[1]
    if m > 2:
        return np.array([np.exp(-0.5 * np.sum((x - centres) ** 2, axis=1)) @ weights for x in points])
    a, c = points, centres
    if m == 1:
        a, c = np.pad(a, ((0, 0), (0, 1))), np.pad(c, ((0, 0), (0, 1)))
    # Cells of one cut-off radius, larger where that would be too many: the centres in reach of a point lie in its cell and
    # the eight around it.
    side = max(CUT, float(np.max(np.ptp(c, axis=0))) / 2000)
    low = np.floor(c.min(axis=0) / side).astype(np.int64) - 1
    cells = np.floor(c / side).astype(np.int64) - low
    shape = cells.max(axis=0) + 2
    index = cells[:, 0] * shape[1] + cells[:, 1]
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(shape[0] * shape[1] + 1))
    out = np.empty(len(a))
    window_sum(
        np.ascontiguousarray(a), np.ascontiguousarray(c[order]), np.ascontiguousarray(weights[order]),
        starts, low, shape, side, CUT, out,
    )  # fmt: skip
    return out
