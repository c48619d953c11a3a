"""Density, distribution functions and moments of m(z₀) + Y: a resolved image and an independent Gaussian Y ~ N(0, S)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import ndtr

from ...common.numerics.expectations import Rule
from .image import Cells, resolve

#: What is narrower than this share of the image's extent is drawn as wide as that (two encoders), or taken as zero (one).
FLOOR = {1: 1e-9, 2: 1 / 1500}
#: Pieces that a cell of one latent direction is cut into.
PIECES = 24
#: Cells of one latent direction whose image is longer than this many widths are summed as pieces of a line.
LONG = 12.0
#: Bins of a distribution function, and bins to a standard deviation of Y.
BINS = (2**13, 2**17)
PER_WIDTH = 64
#: Gaussian tails are cut at this many standard deviations (relative weight 2e-10).
CUT = 6.7


def spectrum(covariance: np.ndarray, extent: np.ndarray, n: int, floor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of the Gaussian part along its principal axes, none below the floor, and the axes."""
    values, vectors = np.linalg.eigh(covariance)
    narrowest = floor * FLOOR[n] * max(float(np.max(extent, initial=0.0)), float(np.sqrt(max(values[-1], 0.0))), 1e-300)
    return np.maximum(np.sqrt(np.maximum(values, 0.0)), narrowest), vectors


class CloudLaw:
    """Moments and distribution functions of m(z₀) + Y from weighted points of m, more than two latent directions."""

    #: Smallest and largest number of Sobol' points; doubled until the distribution functions stand still to the tolerance.
    POINTS = (2**14, 2**18)
    TOLERANCE = 5e-4

    def __init__(self, centres: np.ndarray, weights: np.ndarray, covariance: np.ndarray) -> None:
        self.centres, self.weights, self.covariance = centres, weights, covariance
        self.m = len(covariance)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance."""
        mean = self.weights @ self.centres
        deviation = self.centres - mean
        return mean, (deviation.T * self.weights) @ deviation + self.covariance

    @cached_property
    def marginals(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Edges of narrow bins and the distribution function there, for every projection."""
        widths = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        none = np.zeros(len(self.weights))
        return [_distribution(self.centres[:, k], none, self.weights, widths[k]) for k in range(self.m)]

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles of every projection, (levels, m)."""
        return np.stack([np.interp(levels, total, edges) for edges, total in self.marginals], axis=1)


class ImageLaw(CloudLaw):
    """The law of m(z₀) + Y from cells of m.

    Parameters
    ----------
    cells : Cells
    covariance : (m, m)
        S, positive semi-definite.
    floor : float
        Factor on the narrowest width that is drawn.
    """

    def __init__(self, cells: Cells, covariance: np.ndarray, floor: float = 1.0) -> None:
        centres, w, _ = cells.cloud(np.full(cells.lower.shape, 4))
        super().__init__(centres, w / w.sum(), covariance)
        self.cells, self.floor, self.n = cells, floor, cells.lower.shape[1]
        flat = cells.values.reshape(-1, self.m)
        self.low, self.high = flat.min(axis=0), flat.max(axis=0)

    def image_covariance(self) -> np.ndarray:
        """Covariance of m(z₀)."""
        return self.moments()[1] - self.covariance

    @cached_property
    def marginals(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Edges of narrow bins and the distribution function there, for every projection."""
        return [self._marginal(k) for k in range(self.m)]

    def _marginal(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        extent, width = self.high[k] - self.low[k], float(np.sqrt(max(self.covariance[k, k], 0.0)))
        if self.n == 1:
            first, last, w, _ = self.cells.pieces(PIECES)
            return _distribution((first[:, k] + last[:, k]) / 2, np.abs(last[:, k] - first[:, k]), w, width)
        width = max(width, self.floor * FLOOR[2] * extent)
        # Each part is spread over its own length, so that cells with little mass need few.
        most = np.where(self.cells.mass() > 1e-6, 48, 3)[:, None]
        orders = np.clip(np.ceil(2 * self.cells.extent()[:, :, k] / max(width, 1e-300)), 2, most).astype(int)
        centres, w, lengths = self.cells.cloud(orders, even=True)
        return _distribution(centres[:, k], lengths[:, k], w, width)

    # the density -----------------------------------------------------------------------------------------------

    @cached_property
    def _whitening(self) -> tuple[np.ndarray, float]:
        """Coordinates in which the Gaussian part is a unit one, and the logarithm of its norm."""
        widths, axes = spectrum(self.covariance, self.high - self.low, self.n, self.floor)
        return axes / widths, float(np.sum(np.log(widths)) + 0.5 * self.m * np.log(2 * np.pi))

    @cached_property
    def _mixture(self) -> tuple[Cells, Cells]:
        """Whitened cells: those that nodes resolve, and (one latent direction) those much longer than the Gaussian part."""
        cells = Cells(self.cells.lower, self.cells.size, self.cells.values @ self._whitening[0])
        long = np.linalg.norm(cells.extent(), axis=2).max(axis=1) > (LONG if self.n == 1 else np.inf)
        return cells.take(~long), cells.take(long)

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        cells = self._mixture[0]
        # Gauss–Legendre converges where two nodes come on a standard deviation; cells with little mass lie side by side.
        extent = np.linalg.norm(cells.extent(), axis=2)
        dense = np.clip(2.2 * (cells.mass() / 1e-6) ** 0.25, 0.8, 2.2)[:, None]
        centres, w, _ = cells.cloud(np.clip(np.ceil(2 + dense * extent), 2, 96).astype(int))
        keep = w > 1e-12 * w.max()
        return _merged(centres[keep], w[keep])

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(*self._mixture[1].pieces(PIECES))

    @cached_property
    def _line(self) -> tuple[np.ndarray, np.ndarray]:
        edges, total = self.marginals[0]
        return (edges[1:] + edges[:-1]) / 2, np.diff(total) / np.diff(edges)

    def density(self, x: np.ndarray) -> np.ndarray:
        """Density at points (points, m)."""
        if self.n == 2 and self.m == 1:
            return np.interp(x[:, 0], *self._line, left=0.0, right=0.0)
        white, log_norm = self._whitening
        points = np.ascontiguousarray(x @ white)
        out = np.zeros(len(points))
        if len(self._mixture[0]):
            out += gaussian_sum(points, *self._nodes)
        if len(self._mixture[1]):
            out += self._pieces.sum(points)
        return out * np.exp(-log_norm)


#: Nodes closer than this share of a standard deviation are merged where there are many.
MERGED, MANY = 1 / 16, 100_000


def _merged(centres: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the plane merged at their mean on a lattice that the Gaussian part does not see."""
    if len(w) < MANY or centres.shape[1] != 2:
        return centres, w
    cell = np.floor((centres - centres.min(axis=0)) / MERGED).astype(np.int64)
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


def _distribution(middle: np.ndarray, length: np.ndarray, w: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges and distribution function of masses w spread evenly over intervals, plus a Gaussian of that width."""
    low, high = float(np.min(middle - length / 2)) - 8.5 * width, float(np.max(middle + length / 2)) + 8.5 * width
    pad = 1e-9 * (high - low) + 1e-12 * max(abs(high), abs(low), 1e-300)
    bins = int(np.clip(PER_WIDTH * (high - low) / max(width, 1e-300), *BINS))
    edges = np.linspace(low - pad, high + pad, bins + 1)
    h = edges[1] - edges[0]
    if width <= h / 4 and np.any(length):
        # Without a Gaussian part the pieces themselves say where the mass is, also where much of it is in one place.
        length = np.maximum(length, 1e-10 * (high - low))
        ends = [edges[:1], middle - length / 2, middle, middle + length / 2, edges[-1:]]
        edges = np.unique(np.concatenate(ends))
    mass = _ramps(middle, np.maximum(length, 1e-10 * (high - low)), w, edges)
    if width > h / 4:
        reach = int(np.ceil(8.5 * width / h))
        steps = (np.arange(-reach, reach + 2) - 0.5) * h / width
        mass = np.maximum(fftconvolve(mass, np.diff(ndtr(steps)), mode="same"), 0.0)
    total = np.concatenate([[0.0], np.cumsum(mass)])
    return edges, total / total[-1]


@dataclass(frozen=True)
class ResolvedImage:
    """Laws of m(z₀) + Y from the resolved image of z₀, the best first.

    Attributes
    ----------
    laws : tuple of CloudLaw
        From the doubled cells and from those that they were doubled from (more than two encoders: from all the points, and
        from half of them).
    points : int
        Points that the flow carried.
    complete : bool
        Whether the map is resolved everywhere within the largest number of points.
    """

    laws: tuple[CloudLaw, ...]
    points: int
    complete: bool

    @classmethod
    def of(
        cls, map_: Callable[[np.ndarray], np.ndarray], n: int, whole: np.ndarray, basis: np.ndarray, own: np.ndarray
    ) -> ResolvedImage:
        """Resolve a map of N(0, I_n), and project its image.

        Parameters
        ----------
        map_ : callable
            (points, n) → (points, K).
        n : int
        whole : (K, K)
            Covariance of the Gaussian part, which says how finely the map is resolved.
        basis, own : (m, K), (m, m)
            What to project on, and the covariance of the Gaussian part there.
        """
        if n > 2:
            return cls._of_points(lambda x: map_(x) @ basis.T, n, own)
        widths = np.sqrt(np.maximum(np.diag(whole), 0.0))
        image = resolve(map_, n, lambda extent: np.maximum(widths, FLOOR[n] * max(float(np.max(extent)), 1e-300)))
        laws = (ImageLaw(Cells(c.lower, c.size, c.values @ basis.T), own) for c in (image.fine, image.coarse))
        return cls(tuple(laws), image.points, image.complete)

    @classmethod
    def _of_points(cls, map_: Callable[[np.ndarray], np.ndarray], n: int, covariance: np.ndarray) -> ResolvedImage:
        count, largest = CloudLaw.POINTS
        z, _ = Rule("sobol", largest).points(n)
        found: list[CloudLaw] = []
        centres = np.empty((0, len(covariance)))
        while True:
            centres = np.concatenate([centres, map_(z[len(centres) : count])])
            found.insert(0, CloudLaw(centres, np.full(count, 1 / count), covariance))
            made = cls(tuple(found[:2]), count, True)
            if len(found) > 1 and (made.error < CloudLaw.TOLERANCE or count >= largest):
                return cls(made.laws, count, made.error < CloudLaw.TOLERANCE)
            count *= 2

    @cached_property
    def error(self) -> float:
        """Largest difference between the distribution functions of both laws, over the projections."""
        first, second = self.laws
        return max(
            float(np.max(np.abs(total - np.interp(edges, *other))))
            for (edges, total), other in zip(first.marginals, second.marginals, strict=True)
        )

    def others(self, law: ImageLaw) -> list[ImageLaw]:
        """What the density of the best law is checked against: coarser cells, and where it is drawn wider, twice as wide."""
        coarse = self.laws[1]
        assert isinstance(coarse, ImageLaw)
        extent = law.high - law.low
        wider = spectrum(law.covariance, extent, law.n, 2.0)[0]
        if law.n == 1 or np.all(spectrum(law.covariance, extent, law.n)[0] == wider):
            return [coarse]
        return [coarse, ImageLaw(law.cells, law.covariance, 2.0)]


def _ramps(middle: np.ndarray, length: np.ndarray, w: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mass in every bin of masses w spread evenly over intervals."""
    slope, total = w / length, np.zeros(len(edges))
    for start, sign in ((middle - length / 2, 1.0), (middle + length / 2, -1.0)):
        order = np.argsort(start)
        s, g = start[order] - edges[0], slope[order]
        count = np.searchsorted(s, edges - edges[0])
        zeroth, first = np.concatenate([[0.0], np.cumsum(g)]), np.concatenate([[0.0], np.cumsum(g * s)])
        total += sign * ((edges - edges[0]) * zeroth[count] - first[count])
    return np.maximum(np.diff(total), 0.0)


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
