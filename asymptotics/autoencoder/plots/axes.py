"""What several pictures share: labels, images over a plane, and which density of a law a picture can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.input.checks import InputError
from ...common.numerics.quadrature.expectations import Rule
from ..generated.density import GeneratedDensity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAU = r"training time $\tau = 2\eta n/d$"


def projections(axis: Axes, dimension: int, other: str = "") -> None:
    """Label the axes of the first two projections, or of one against something else."""
    axis.set_xlabel(r"$u_1\cdot x$")
    axis.set_ylabel(r"$u_2\cdot x$" if dimension > 1 else other)


def image(axis: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray, **options: Any) -> Any:
    """A function on a grid over the plane, first index along x; the same scale in both directions."""
    extent = (low[0], high[0], low[1], high[1])
    kind: dict[str, Any] = {"origin": "lower", "aspect": "equal", "interpolation": "bilinear", "rasterized": True}
    return axis.imshow(values.T, extent=extent, **kind | options)


def mesh(grid: list[np.ndarray]) -> np.ndarray:
    """Points (n, m, 2) of a grid."""
    return np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)


def histogram(sample: np.ndarray, bins: list[np.ndarray]) -> np.ndarray:
    """Density of the first two columns of a sample in the given bins."""
    return np.histogram2d(sample[:, 0], sample[:, 1], bins=bins, density=True)[0]


def contours(axis: Axes, grid: list[np.ndarray], density: np.ndarray, colour: str, **options: Any) -> None:
    """Contours that hold 30, 60 and 90 per cent of the mass on the grid."""
    levels = mass_levels(density)
    if levels[-1] > 0:
        axis.contour(*grid, density.T, levels=levels, colors=[colour], **{"linewidths": 0.9} | options)


def mass_levels(density: np.ndarray, shares: tuple[float, ...] = (0.3, 0.6, 0.9)) -> list[float]:
    """Heights, ascending, above which a density on an even grid holds these shares of its mass there."""
    ordered = np.sort(np.nan_to_num(density).ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    return sorted({float(ordered[int(np.searchsorted(held, share))]) for share in shares})


def on_grid(law: GeneratedDensity, grid: list[np.ndarray], samples: int = 400_000, *, exact: bool = True) -> np.ndarray:
    """Density of a law's projections on an even grid: exact where it is and the grid resolves it, else from samples.

    Given the latent path a projection is Gaussian: the conditional means of ``samples`` paths are counted in the grid's cells and
    convolved with that Gaussian, which no kernel has to be chosen for. Where it is narrower than a cell, one cell is its width.
    ``exact=False``: from samples in any case, for a grid that shows a small part of a law. Without noise the paths start from
    Sobol' points, of which a cell's count is several times nearer to its mass.
    """
    step = np.array([g[1] - g[0] for g in grid])
    known = exact_density(law, mesh(grid)) if exact and resolved(law, float(step.max())) else None
    if known is not None:
        return known
    edges = [np.append(g - h / 2, g[-1] + h / 2) for g, h in zip(grid, step, strict=True)]
    if law.noisy or law.members:
        centres = law.centres(samples, 0)
    else:
        centres = law.images(Rule("sobol", 1 << (samples - 1).bit_length()).points(len(law.Q))[0] @ law.root)
    counted = np.histogramdd(centres[:, : len(grid)], bins=edges)[0] / (len(centres) * step.prod())
    covariance = law.span_covariance[: len(grid), : len(grid)]
    lack = np.maximum(step**2 - np.linalg.eigvalsh(covariance)[0], 0.0)
    covariance = covariance + np.diag(lack)
    # In Fourier space, on twice the frame so that nothing comes in from the other side.
    shape = [2 * len(g) for g in grid]
    waves = np.stack(
        np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n, h) for n, h in zip(shape, step, strict=True)], indexing="ij"), -1
    )
    damping = np.exp(-0.5 * np.einsum("...i,ij,...j->...", waves, covariance, waves))
    axes = tuple(range(len(grid)))
    smooth = np.fft.ifftn(np.fft.fftn(counted, shape, axes) * damping).real
    return np.maximum(smooth[tuple(slice(len(g)) for g in grid)], 0.0)


def exact_density(law: GeneratedDensity, x: np.ndarray) -> np.ndarray | None:
    """The law's density at the points; None where it states none: with noise, many encoders, or less than full dimension."""
    try:
        return law.density(x)
    except InputError:
        return None


def resolved(law: GeneratedDensity, cell: float) -> bool:
    """Whether a picture with cells of this size resolves the law's Gaussian part; where it does not, the density is costly."""
    return bool(np.sqrt(max(np.linalg.eigvalsh(law.span_covariance)[0], 0.0)) > 0.6 * cell)
