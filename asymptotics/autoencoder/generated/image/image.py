"""The image of the latent Gaussian under the flow map, by cells of z₀ that are split until the map is quadratic in each.

Near t = 1 the flow separates starting points on the two sides of a separatrix and draws together those on the same side: its
map is nearly a step, and no fixed grid resolves it. A cell is kept when its quadratic interpolant meets the map at the nodes of
the doubled cell; both are kept, so that whatever is computed from the doubled cells has an error stated by the others.

Of two latent directions, cells are halved, or cut along the separatrix: boxes would need as many cells along it as its width
goes into its length; quadrilaterals that follow it need the square root of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .cells import Cells, basis, mass, places

#: The latent Gaussian is cut at this many standard deviations (mass 3e-12).
REACH = 7.0
#: Cells a direction to begin with.
BASE = {1: 64, 2: 28}
#: A cell is kept where its interpolant meets the map to this share of the cell's own image, or of the width of the Gaussian part.
TOLERANCE = {1: 1e-4, 2: 3e-3}
#: Two directions: cells that hold less than this may be coarser, by the root of the ratio, up to so much.
LIGHT, EASED = 1e-5, 30.0
#: Cells that hold less are not split.
NEGLIGIBLE = {1: 1e-13, 2: 1e-9}
#: Largest number of points carried by the flow, and of splits that lead to a cell.
LARGEST = 400_000
DEEPEST = 48
#: Cells that miss the tolerance by more than this factor are cut along what they miss, if it is narrower than half of them.
STEEP = 30.0
#: Nodes of a cell along a direction, and at most so many new ones for a cell that is split.
FIVE = np.linspace(0, 1, 5)
COST = {1: 4, 2: 40}
#: Parts of a line on which what a cell misses is looked for, and what counts of it.
PARTS, SEEN = 16, 0.05


@dataclass(frozen=True)
class Image:
    """The resolved map.

    Attributes
    ----------
    fine, coarse : Cells
        The doubled cells, and those that they were doubled from.
    points : int
        Points that the flow carried.
    unresolved : float
        Gaussian probability of the cells that did not meet their tolerance.
    """

    fine: Cells
    coarse: Cells
    points: int
    unresolved: float


class _Carrier:
    """The map at places of cells, and how many points it took."""

    def __init__(self, map_: Callable[[np.ndarray], np.ndarray]) -> None:
        self.map, self.points = map_, 0

    def __call__(self, corners: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Images (cells, *u.shape[:-1], m) of the places u (..., n) of every cell."""
        n = corners.shape[-1]
        x = places(corners, u.reshape(-1, n))[0].reshape(-1, n)
        self.points += len(x)
        images = self.map(x)
        return images.reshape(len(corners), *u.shape[:-1], images.shape[-1])


def resolve(map_: Callable[[np.ndarray], np.ndarray], n: int, widths: Callable[[np.ndarray], np.ndarray]) -> Image:
    """Split cells of N(0, I_n) until ``map_`` is resolved.

    Parameters
    ----------
    map_ : callable
        (points, n) → (points, m).
    n : int
        1 or 2.
    widths : callable
        From the extent (m,) of the image: what is narrow in each coordinate (the width of the Gaussian part there).
    """
    carry = _Carrier(map_)
    line = np.linspace(-REACH, REACH, BASE[n] + 1)
    ends = np.stack([line[:-1], line[1:]], axis=1)
    if n == 1:
        todo = ends[:, :, None]
    else:
        both = np.broadcast_arrays(ends[:, None, :, None], ends[None, :, None, :])
        todo = np.stack(both, axis=-1).reshape(-1, 2, 2, 2)
    five = carry(todo, _mesh(*[FIVE] * n))
    scale = widths(np.ptp(five.reshape(-1, five.shape[-1]), axis=0))
    kept: list[Cells] = []
    doubled: list[Cells] = []
    unresolved = 0.0
    for depth in range(DEEPEST * n + 1):
        own = mass(todo)
        ratio = _misses(five, scale)
        if n == 2:
            ratio /= np.clip(np.sqrt(LIGHT / np.maximum(own, 1e-300)), 1.0, EASED)
        bad = (ratio.max(axis=0) > 1) & (own >= NEGLIGIBLE[n])
        if depth == DEEPEST * n or carry.points + COST[n] * np.sum(bad) > LARGEST:
            unresolved, bad = float(own[bad].sum()), np.zeros_like(bad)
        kept.append(Cells(todo[~bad], five[~bad][(slice(None), *[slice(None, None, 2)] * n)]))
        doubled.append(_doubled(todo[~bad], five[~bad]))
        if not np.any(bad):
            break
        todo, five = (_split if n == 2 else _halved)(carry, todo[bad], five[bad], ratio[:, bad], scale)
    return Image(Cells.join(doubled), Cells.join(kept), carry.points, unresolved)


def _mesh(*lines: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)


def _between(corners: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part of every cell between shares of its sides along the last direction: (cells,), or (cells, 2) for both sides."""
    first, side = corners[..., 0, :], corners[..., 1, :] - corners[..., 0, :]
    return np.stack([first + low[..., None] * side, first + high[..., None] * side], axis=-2)


def _halves(corners: np.ndarray, axis: int) -> np.ndarray:
    """Lower and upper halves of every cell along an axis, the lower ones first."""
    n = corners.shape[-1]
    turned = np.moveaxis(corners, 1 + axis, n)
    at = np.zeros(turned.shape[:-2])
    both = np.concatenate([_between(turned, at, at + 0.5), _between(turned, at + 0.5, at + 1)])
    return np.moveaxis(both, n, 1 + axis)


def _doubled(corners: np.ndarray, five: np.ndarray) -> Cells:
    """The 2ⁿ halves of every cell, given the map at five nodes a direction."""
    for axis in range(corners.shape[-1]):
        corners = _halves(corners, axis)
        five = np.concatenate([np.take(five, k, axis=1 + axis) for k in ([0, 1, 2], [2, 3, 4])])
    return Cells(corners, five)


def _length(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Largest length in units of scale, over all places of each cell."""
    lengths = np.sqrt(np.sum((x / scale) ** 2, axis=-1))
    return np.asarray(lengths.reshape(len(x), int(np.prod(x.shape[1:-1]))).max(axis=1))


def _misses(five: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """By how much every cell misses its tolerance along every direction (n, cells)."""
    n = five.ndim - 2
    at = basis(FIVE)[0]
    if n == 1:
        off = five - np.einsum("pi,cik->cpk", at, five[:, ::2])
        allowed = TOLERANCE[1] * np.maximum(_length(np.ptp(five, axis=1)[:, None], scale), 1.0)
        return np.asarray(_length(off, scale) / allowed)[None]
    off = five - np.einsum("pi,qj,cijk->cpqk", at, at, five[:, ::2, ::2])
    allowed = [TOLERANCE[2] * np.maximum(_length(np.ptp(five, axis=1 + k), scale), 1.0) for k in range(2)]
    ratio = np.stack([_length(off[:, 1::2, ::2], scale) / allowed[0], _length(off[:, ::2, 1::2], scale) / allowed[1]])
    # What the lines between the nodes do not show belongs to the direction that misses more.
    mixed = _length(off[:, 1::2, 1::2], scale) / (allowed[0] + allowed[1])
    return np.where(ratio == ratio.max(axis=0), np.maximum(ratio, mixed), ratio)


def _halved(
    carry: _Carrier, corners: np.ndarray, five: np.ndarray, *_: np.ndarray, axis: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Halves of every cell along an axis, with the map at five nodes a direction, every other one known."""
    n = corners.shape[-1]
    corners = _halves(corners, axis)
    known = np.concatenate([np.take(five, k, axis=1 + axis) for k in ([0, 1, 2], [2, 3, 4])])
    between = carry(corners, _mesh(*[FIVE[1::2] if k == axis else FIVE for k in range(n)]))
    return corners, np.take(np.concatenate([known, between], axis=1 + axis), [0, 3, 1, 4, 2], axis=1 + axis)


def _split(
    carry: _Carrier, corners: np.ndarray, five: np.ndarray, ratio: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the plane, halved along the direction that misses more, or cut along what is missed where that is narrow."""
    turned = (ratio[0] > ratio[1])[:, None, None, None]
    # The direction that misses more becomes the last one.
    corners = np.where(turned, np.swapaxes(corners, 1, 2), corners)
    five = np.where(turned, np.swapaxes(five, 1, 2), five)
    steep = np.flatnonzero(ratio.max(axis=0) > STEEP)
    across, along = np.ones(len(corners), dtype=bool), np.zeros(len(corners), dtype=bool)
    parts = []
    if len(steep):
        own = corners[steep]
        low, high, narrow, thin = _bands(carry(own, _mesh(FIVE[::2], np.linspace(0, 1, PARTS + 1))), scale)
        zero, one = np.zeros_like(low), np.ones_like(high)
        cut = [
            _between(own[which], start[which], end[which])
            for start, end in ((zero, low), (low, high), (high, one))
            for which in [thin & np.any(end > start, axis=1)]
        ]
        cut_corners = np.concatenate(cut)
        parts.append((cut_corners, carry(cut_corners, _mesh(FIVE, FIVE))))
        # A band that is narrow on every line and yet not thin is too oblique or bent for the length of the cell.
        along[steep] = narrow & ~thin
        across[steep] = ~narrow & ~thin
    parts += [_halved(carry, corners[w], five[w], axis=k) for k, w in ((0, along), (1, across)) if np.any(w)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _bands(lines: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the map bends on three lines across each cell: straight bounds at both sides, shares (cells, 2).

    Also whether it is narrow on every line, and whether the band between the bounds is thin.
    """
    bend = np.sqrt(np.sum((np.diff(lines, n=2, axis=2) / scale) ** 2, axis=-1))
    seen = bend > SEEN * bend.max(axis=(1, 2), keepdims=True)
    some = seen.any(axis=2)
    below = np.where(some, seen.argmax(axis=2), PARTS).astype(float)
    above = np.where(some, PARTS - seen[:, :, ::-1].argmax(axis=2), 0).astype(float)
    narrow = np.all(above - below <= PARTS / 2, axis=1)
    # A line that it does not meet takes the bounds of the others.
    below, above = (
        np.where(some, x, e)
        for x, e in ((below, below.min(axis=1, keepdims=True)), (above, above.max(axis=1, keepdims=True)))
    )
    low, high = below[:, ::2], above[:, ::2]
    low = low - np.maximum(low.mean(axis=1) - below[:, 1], 0.0)[:, None]
    high = high + np.maximum(above[:, 1] - high.mean(axis=1), 0.0)[:, None]
    low, high = np.clip(low / PARTS, 0, 1), np.clip(high / PARTS, 0, 1)
    return low, high, narrow, np.max(high - low, axis=1) <= 0.5
