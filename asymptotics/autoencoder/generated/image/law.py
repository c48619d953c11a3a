"""Density, distribution functions and moments of m(z₀) + Y: a resolved image and an independent Gaussian Y ~ N(0, S)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....common.input.checks import InputError
from ....common.numerics.algebra.gram import square_root
from ....common.numerics.quadrature.expectations import Rule
from .bins import distribution
from .cells import Cells
from .image import resolve
from .sums import MERGED, Pieces, gaussian_sum, merged

#: What is narrower than this share of the image's extent is drawn as wide as that (two encoders), or taken as zero (one).
FLOOR = {1: 1e-9, 2: 1 / 1500}
#: Pieces that a cell of one latent direction is cut into.
PIECES = 24
#: Cells of one latent direction whose image is longer than this many widths are summed as pieces of a line.
LONG = 12.0
#: Points of the law at which its typical error is found.
PROBES = 100
#: Starting points of this probability may be left unresolved without a word.
UNRESOLVED = 1e-6


def _spectrum(covariance: np.ndarray, extent: np.ndarray, n: int, coarse: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of the Gaussian part along its principal axes, none below the floor, and the axes."""
    values, vectors = np.linalg.eigh(covariance)
    narrowest = (
        coarse * FLOOR[n] * max(float(np.max(extent, initial=0.0)), float(np.sqrt(max(values[-1], 0.0))), 1e-300)
    )
    return np.maximum(np.sqrt(np.maximum(values, 0.0)), narrowest), vectors


class CloudLaw:
    """Moments and distribution functions of m(z₀) + Y from weighted points of m, more than two latent directions."""

    #: Smallest and largest number of Sobol' points; doubled until the distribution functions stand still to the tolerance.
    POINTS = (2**14, 2**18)
    TOLERANCE = 5e-4

    def __init__(self, centres: np.ndarray, weights: np.ndarray, covariance: np.ndarray, coarse: float = 1.0) -> None:
        self.centres, self.weights, self.covariance, self.coarse = centres, weights, covariance, coarse
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
        return [distribution(self.centres[:, k], none, self.weights, widths[k], self.coarse) for k in range(self.m)]

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
    coarse : float
        Factor on every width that nodes, bins and pieces resolve, so that a coarse law differs from a fine one by their errors.
    """

    def __init__(self, cells: Cells, covariance: np.ndarray, coarse: float = 1.0) -> None:
        centres, w, _ = cells.cloud(np.full((len(cells), cells.n), 4))
        super().__init__(centres, w / w.sum(), covariance, coarse)
        self.cells, self.n = cells, cells.n
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
            first, last, w, _ = self.cells.pieces(self._parts)
            return distribution((first[:, k] + last[:, k]) / 2, np.abs(last[:, k] - first[:, k]), w, width, self.coarse)
        floor = self.coarse * FLOOR[2] * extent
        if width > floor:
            centres, w, _ = self.cells.cloud(self._orders(self.cells, self.cells.extent()[:, :, k] / width))
            return distribution(centres[:, k], np.zeros(len(w)), w, width, self.coarse)
        # Each part is spread over its own length, so that cells with little mass need few.
        most = np.where(self.cells.mass() > 1e-6, 48, 3)[:, None]
        orders = np.clip(np.ceil(2 * self.cells.extent()[:, :, k] / max(self.coarse * floor, 1e-300)), 2, most).astype(
            int
        )
        centres, w, lengths = self.cells.cloud(orders, even=True)
        return distribution(centres[:, k], lengths[:, k], w, floor, self.coarse)

    def _orders(self, cells: Cells, extent: np.ndarray) -> np.ndarray:
        """Gauss–Legendre points of cells of such extent (cells, n) in standard deviations of the Gaussian part.

        They converge where two come on a standard deviation; cells with little mass lie side by side and need fewer.
        """
        mass = cells.mass()
        dense = np.clip(2.2 * (mass / 1e-6) ** 0.25, 0.8, 2.2) / np.sqrt(self.coarse)
        least = np.where(mass > 1e-4, 3, 2)
        return np.clip(np.ceil(least[:, None] + dense[:, None] * extent), 2, 96).astype(int)

    @property
    def _parts(self) -> int:
        return round(PIECES / self.coarse)

    # the density -----------------------------------------------------------------------------------------------

    @cached_property
    def _whitening(self) -> tuple[np.ndarray, float]:
        """Coordinates in which the Gaussian part is a unit one, and the logarithm of its norm."""
        widths, axes = _spectrum(self.covariance, self.high - self.low, self.n, self.coarse)
        return axes / widths, float(np.sum(np.log(widths)) + 0.5 * self.m * np.log(2 * np.pi))

    @cached_property
    def _mixture(self) -> tuple[Cells, Cells]:
        """Whitened cells: those that nodes resolve, and (one latent direction) those much longer than the Gaussian part."""
        cells = Cells(self.cells.corners, self.cells.values @ self._whitening[0])
        long = np.linalg.norm(cells.extent(), axis=2).max(axis=1) > (LONG if self.n == 1 else np.inf)
        return cells.take(~long), cells.take(long)

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        cells = self._mixture[0]
        centres, w, _ = cells.cloud(self._orders(cells, np.linalg.norm(cells.extent(), axis=2)))
        keep = w > 1e-12 * w.max()
        return merged(centres[keep], w[keep], self.coarse * MERGED)

    @cached_property
    def _pieces(self) -> Pieces:
        return Pieces(*self._mixture[1].pieces(self._parts))

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
    shortfall : str
        What the largest number of points did not resolve, empty if nothing.
    """

    laws: tuple[CloudLaw, ...]
    points: int
    shortfall: str = ""

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
        both = ((image.fine, 1.0), (image.coarse, 2.0))
        laws = tuple(ImageLaw(Cells(c.corners, c.values @ basis.T), own, coarse) for c, coarse in both)
        lost = f"starting points of probability {image.unresolved:.1e} are not resolved by {image.points} points of the flow"
        return cls(laws, image.points, lost if image.unresolved > UNRESOLVED else "")

    @classmethod
    def _of_points(cls, map_: Callable[[np.ndarray], np.ndarray], n: int, covariance: np.ndarray) -> ResolvedImage:
        count, largest = CloudLaw.POINTS
        z, _ = Rule("sobol", largest).points(n)
        found: list[CloudLaw] = []
        centres = np.empty((0, len(covariance)))
        while True:
            centres = np.concatenate([centres, map_(z[len(centres) : count])])
            found.insert(0, CloudLaw(centres, np.full(count, 1 / count), covariance))
            made = cls(tuple(found[:2]), count)
            if len(found) > 1 and (made.error < CloudLaw.TOLERANCE or count >= largest):
                lost = f"{count} points of the flow do not reach {CloudLaw.TOLERANCE:g}"
                return made if made.error < CloudLaw.TOLERANCE else cls(made.laws, count, lost)
            count *= 2

    @cached_property
    def error(self) -> float:
        """Largest difference between the distribution functions of both laws, over the projections."""
        first, second = self.laws
        return max(
            float(np.max(np.abs(total - np.interp(edges, *other))))
            for (edges, total), other in zip(first.marginals, second.marginals, strict=True)
        )

    @property
    def cell_laws(self) -> tuple[ImageLaw, ImageLaw]:
        """Both laws where cells carry them: at most two encoders."""
        fine, coarse = self.laws
        if not isinstance(fine, ImageLaw) or not isinstance(coarse, ImageLaw):
            raise InputError("more than two encoders: points, not cells, carry the law; it has no exact density")
        return fine, coarse

    def density(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Density at points (points, m), and its stated error: the difference of both laws."""
        fine, coarse = self.cell_laws
        p = fine.density(x)
        # The difference crosses zero here and there: what other places of the law miss is added everywhere.
        return p, np.abs(coarse.density(x) - p) + self._typical * p

    @cached_property
    def _typical(self) -> float:
        """Largest relative difference of both densities at some points of the law."""
        fine, coarse = self.cell_laws
        rng = np.random.default_rng(0)
        half, _ = square_root(fine.covariance)
        chosen = rng.choice(len(fine.weights), PROBES, p=fine.weights)
        points = fine.centres[chosen] + rng.standard_normal((PROBES, fine.m)) @ half
        p = fine.density(points)
        off = np.abs(coarse.density(points) - p)
        return float(np.max(np.divide(off, p, out=np.zeros(PROBES), where=p > 0)))

    def quantiles(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles (levels, m), and their stated errors in place: where the levels ± `error` are, and the difference of both laws."""
        fine, coarse = self.laws
        q = fine.quantiles(levels)
        reached = [fine.quantiles(np.clip(levels + e, 0.0, 1.0)) for e in (-self.error, self.error)] + [
            coarse.quantiles(levels)
        ]
        return q, np.max([np.abs(other - q) for other in reached], axis=0)
