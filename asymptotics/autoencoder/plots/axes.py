"""What several pictures share: labels, images over a plane, and which density of a law a picture can show."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ..generated.density import GeneratedDensity

TAU = r"training time $\tau = 2\eta n/d$"


def projections(axis: Any, dimension: int, other: str = "") -> None:
    """Label the axes of the first two projections, or of one against something else."""
    axis.set_xlabel(r"$u_1\cdot x$")
    axis.set_ylabel(r"$u_2\cdot x$" if dimension > 1 else other)


def image(axis: Any, values: np.ndarray, low: np.ndarray, high: np.ndarray, **options: Any) -> None:
    """A function on a grid over the plane, first index along x."""
    extent = (low[0], high[0], low[1], high[1])
    axis.imshow(values.T, extent=extent, origin="lower", aspect="auto", **{"interpolation": "bilinear"} | options)


def mesh(grid: list[np.ndarray]) -> np.ndarray:
    """Points (n, m, 2) of a grid."""
    return np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)


def histogram(sample: np.ndarray, bins: list[np.ndarray]) -> np.ndarray:
    """Density of the first two columns of a sample in the given bins."""
    return np.histogram2d(sample[:, 0], sample[:, 1], bins=bins, density=True)[0]


def exact_density(law: GeneratedDensity, x: np.ndarray) -> np.ndarray | None:
    """The law's density at the points; None where it states none: with noise, many encoders, or less than full dimension."""
    try:
        return law.density(x)
    except InputError:
        return None


def resolved(law: GeneratedDensity, cell: float) -> bool:
    """Whether a picture with cells of this size resolves the law's Gaussian part; where it does not, the density is costly."""
    return bool(np.sqrt(max(np.linalg.eigvalsh(law.span_covariance)[0], 0.0)) > 0.6 * cell)
