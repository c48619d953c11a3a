"""The law of a mixture: each label's image with its weight, all with one Gaussian part."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .law import CloudLaw, ImageLaw, ResolvedImage


class MixedLaw(ImageLaw):
    """Σ_k share_k × law k, of images that are made of cells.

    Parameters
    ----------
    laws : sequence of ImageLaw
        With one covariance of the Gaussian part.
    shares : (laws,)
    """

    def __init__(self, laws: Sequence[ImageLaw], shares: np.ndarray) -> None:
        centres = np.concatenate([law.centres for law in laws])
        weights = np.concatenate([share * law.weights for share, law in zip(shares, laws, strict=True)])
        CloudLaw.__init__(self, centres, weights, laws[0].covariance, laws[0].coarse)
        self.laws, self.shares, self.n = tuple(laws), shares, laws[0].n
        self.low = np.min([law.low for law in laws], axis=0)
        self.high = np.max([law.high for law in laws], axis=0)

    @cached_property
    def marginals(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Edges of narrow bins and the distribution function there, for every projection."""
        found = []
        for k in range(self.m):
            own = [law.marginals[k] for law in self.laws]
            edges = np.unique(np.concatenate([x for x, _ in own]))
            total = sum(
                share * np.interp(edges, x, below, left=0.0, right=1.0)
                for share, (x, below) in zip(self.shares, own, strict=True)
            )
            found.append((edges, np.asarray(total)))
        return found

    def density(self, x: np.ndarray) -> np.ndarray:
        """Density at points (points, m)."""
        return np.asarray(sum(share * law.density(x) for share, law in zip(self.shares, self.laws, strict=True)))


def mixed(images: Sequence[ResolvedImage], shares: np.ndarray) -> ResolvedImage:
    """The resolved image of a mixture.

    Parameters
    ----------
    images : sequence of ResolvedImage
    shares : (images,)
    """
    laws: list[CloudLaw] = []
    for pair in zip(*(image.laws for image in images), strict=True):
        cells = [law for law in pair if isinstance(law, ImageLaw)]
        if len(cells) == len(pair):
            laws.append(MixedLaw(cells, shares))
            continue
        weights = np.concatenate([share * law.weights for share, law in zip(shares, pair, strict=True)])
        laws.append(
            CloudLaw(np.concatenate([law.centres for law in pair]), weights, pair[0].covariance, pair[0].coarse)
        )
    lost = "; ".join(image.shortfall for image in images if image.shortfall)
    return ResolvedImage(tuple(laws), sum(image.points for image in images), lost)
