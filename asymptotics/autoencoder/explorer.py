"""What the explorer shows of an auto-encoder: order parameters, generated density, landscape and collapse map."""

from __future__ import annotations

import numpy as np

from ..common.input.checks import InputError
from ..common.numerics.code.compiled import njit
from ..common.output.views import Curve, Plane, View
from .collapse.collapse_map import CollapseMap
from .generated.density import GeneratedDensity
from .model.problem import Problem
from .plots.densities import mixture_density
from .process.training.results import Runs
from .regimes.landscape import potential
from .regimes.sde.fields import Fields
from .solution import OrderParameterPath

#: Points of a curve along training, of a density in one direction, and along each axis of a plane.
ALONG, LINE, ACROSS = 161, 321, 61
#: Starting points a direction of the draft of a density: the exact one takes many more near separatrices.
DRAFT = 121
#: So many times as many where the exact one is narrower than a pixel.
FINER = 2
#: Standard deviation of the Gaussian that stands for a cell, in units of the cell.
CELL = 0.5
#: The draft reaches that many standard deviations of the starting points.
REACH = 4.0


def times(path: OrderParameterPath) -> float:
    """The last training time, to which the page's own slider goes."""
    return path.tau_max


def views(
    problem: Problem, path: OrderParameterPath, tau: float, *, runs: Runs | None = None, draft: bool = False
) -> list[View]:
    """The pictures at training time ``tau``; with ``draft`` those that are quick, and a density that the exact one replaces."""
    quick = [order_parameters(path, runs), density(problem, path, tau, draft), collapse(problem)]
    return quick if draft else [*quick, valley(problem, path, tau)]


def valley(problem: Problem, path: OrderParameterPath, tau: float) -> View:
    """The landscape of the sampling flow as t → 1, whose minima are the modes; of one or two fields."""
    title = f"Landscape of the flow at τ = {tau:.3g}"
    try:
        fields = Fields(problem, path(tau))
    except InputError as error:
        return View("landscape", title, "z₁", "", note=str(error))
    if fields.n > 2 or not fields.tied:
        reason = "the flow has no potential" if not fields.tied else "more than two fields"
        return View("landscape", title, "z₁", "", note=f"no picture: {reason}")
    reach = 4.0 * np.sqrt(np.diag(fields.Q)) + 1e-3
    if fields.n == 1:
        z = np.linspace(-reach[0], reach[0], LINE)
        return View("landscape", title, "z", "V", (Curve("V", z, potential(fields, z[:, None])),))
    axes = [np.linspace(-r, r, ACROSS) for r in reach]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = potential(fields, points.reshape(-1, 2)).reshape(points.shape[:2])
    values = values - values.min()
    return View("landscape", title, "z₁", "z₂", plane=Plane(axes[0], axes[1], values, values))


def order_parameters(path: OrderParameterPath, runs: Runs | None) -> View:
    """Q, Θ and b along training, with what was measured."""
    taus = np.linspace(0.0, path.tau_max, ALONG)
    along = path(taus)
    curves = []
    for name in ("Q", "Theta", "b"):
        values = np.asarray(getattr(along, name))
        measured = None if runs is None else (runs.mean(name), runs.sem(name))
        for index in np.ndindex(values.shape[1:]):
            if name == "Q" and index[0] > index[1]:
                continue
            label = name + "".join(str(k + 1) for k in index)
            curves.append(Curve(label, taus, values[(slice(None), *index)]))
            if measured is not None and runs is not None:
                mean, sem = (m[(slice(None), *index)] for m in measured)
                curves.append(Curve(label, runs.tau, mean, sem))
    return View("order_parameters", "Order parameters", "τ", "", tuple(curves))


def density(problem: Problem, path: OrderParameterPath, tau: float, draft: bool) -> View:
    """The generated density of the first one or two directions, over the target's."""
    shown = min(2, problem.target.directions)
    law = GeneratedDensity(problem, path(tau), np.eye(problem.target.directions)[:shown])
    means = problem.target.projected_centroids()[:, :shown]
    spread = np.sqrt(np.max(np.diagonal(problem.target.projected_covariance()[:, :shown, :shown], axis1=1, axis2=2)))
    reach = max(float(np.max(np.abs(means)) + 3.5 * spread), _reach(law))
    title = f"Generated density at τ = {tau:.3g}" + (" (draft)" if draft else "")
    axes = [np.linspace(-reach, reach, LINE if shown == 1 else ACROSS)] * shown
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    target = mixture_density(problem.target, points)
    note = ""
    try:
        if np.sqrt(np.linalg.eigvalsh(law.span_covariance)[0]) < axes[0][1] - axes[0][0]:
            values, note = _draft(law, axes, 1 if draft else FINER), "narrower than a pixel: averaged over pixels"
        elif draft or law.noisy or len(law.Q) > 2:
            values = _draft(law, axes)
        else:
            values = law.density(points)
    except InputError as error:
        return View("density", title, "u₁", "", note=str(error))
    if shown == 1:
        curves = (Curve("target", axes[0], target, dashed=True), Curve("generated", axes[0], values))
        return View("density", title, "u₁", "density", curves, note=note)
    return View("density", title, "u₁", "u₂", plane=Plane(axes[0], axes[1], values, target), note=note)


def _reach(law: GeneratedDensity) -> float:
    """How far most of the generated mass goes."""
    width = 3.0 * np.sqrt(np.max(np.diagonal(law.span_covariance)))
    if law.noisy or len(law.Q) > 2:
        return float(np.quantile(np.abs(law.sample(2000)), 0.98) + width)
    corners = np.stack(np.meshgrid(*[np.linspace(-2.0, 2.0, 9)] * len(law.Q), indexing="ij"), axis=-1)
    return float(np.max(np.abs(law.images(corners.reshape(-1, len(law.Q)) @ law.root))) + width)


def _draft(law: GeneratedDensity, axes: list[np.ndarray], finer: int = 1) -> np.ndarray:
    """The law as a sum of Gaussians around the images of few starting points (ε > 0, many encoders: drawn samples).

    What is narrower than half a pixel is widened to that.
    """
    encoders = len(law.Q)
    if law.noisy or encoders > 2:
        sample = law.sample(20_000)
        found, _ = np.histogramdd(sample, bins=[_edges(x) for x in axes], density=True)
        return found
    count = finer * (DRAFT if encoders == 2 else 10 * DRAFT)
    u = np.linspace(-REACH, REACH, count)
    z = np.stack(np.meshgrid(*[u] * encoders, indexing="ij"), axis=-1)
    weights = np.exp(-0.5 * np.sum(z**2, axis=-1)).ravel()
    centres = law.images(z.reshape(-1, encoders) @ law.root).reshape(*z.shape[:-1], len(axes))
    # A starting point stands for its cell: the Gaussian around its image is as wide as the image of the cell.
    slopes = np.stack([np.gradient(centres, axis=k) for k in range(encoders)], axis=-1)
    widths = CELL**2 * np.einsum("...mk,...nk->...mn", slopes, slopes).reshape(-1, len(axes), len(axes))
    widths += law.span_covariance + (0.5 * (axes[0][1] - axes[0][0])) ** 2 * np.eye(len(axes))
    centres, weights = centres.reshape(-1, len(axes)), weights / weights.sum()
    if len(axes) == 1:
        sd = np.sqrt(widths[:, 0, 0])
        parts = np.exp(-0.5 * ((axes[0][:, None] - centres[:, 0]) / sd) ** 2)
        return np.asarray(parts @ (weights / sd) / np.sqrt(2 * np.pi))
    kept = weights > 1e-6 * weights.max()
    return np.asarray(_gaussians(*axes, centres[kept], widths[kept], weights[kept]))


@njit(cache=True, fastmath=True)
def _gaussians(
    x: np.ndarray, y: np.ndarray, centres: np.ndarray, widths: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Σ_i weight_i N(centre_i, width_i) on the grid of x and y, each within four standard deviations."""
    total = np.zeros((x.size, y.size))
    dx, dy = x[1] - x[0], y[1] - y[0]
    for i in range(weights.size):
        a, b, c = widths[i, 0, 0], widths[i, 0, 1], widths[i, 1, 1]
        determinant = a * c - b * b
        front = weights[i] / (2.0 * np.pi * np.sqrt(determinant))
        wide, high = 4.0 * np.sqrt(a), 4.0 * np.sqrt(c)
        first = max(0, int(np.ceil((centres[i, 0] - wide - x[0]) / dx)))
        last = min(x.size - 1, int(np.floor((centres[i, 0] + wide - x[0]) / dx)))
        low = max(0, int(np.ceil((centres[i, 1] - high - y[0]) / dy)))
        top = min(y.size - 1, int(np.floor((centres[i, 1] + high - y[0]) / dy)))
        for j in range(first, last + 1):
            u = x[j] - centres[i, 0]
            for k in range(low, top + 1):
                v = y[k] - centres[i, 1]
                total[j, k] += front * np.exp(-0.5 * (c * u * u - 2.0 * b * u * v + a * v * v) / determinant)
    return total


def _edges(x: np.ndarray) -> np.ndarray:
    step = x[1] - x[0]
    return np.append(x - step / 2, x[-1] + step / 2)


def collapse(problem: Problem) -> View:
    """One generation's effect on the variance outside the span of the weights."""
    try:
        line = CollapseMap(problem)
    except InputError as error:
        return View("collapse", "Collapse map", "Λ", "Λ of the next generation", note=str(error))
    grid = np.geomspace(0.02 * line.start, 50 * line.start, LINE)
    image = line(grid)
    here = np.array([line.start])
    curves = (
        Curve("one generation", grid, image),
        Curve("unchanged", grid, grid, dashed=True),
        Curve("this target", here, line(here), np.zeros(1)),
    )
    return View("collapse", "Collapse map", "Λ", "Λ of the next generation", curves, log=True)
