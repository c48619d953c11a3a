"""Figures of score smoothing beyond the line: normal directions in the plane, points on a circle."""

from __future__ import annotations

import numpy as np

from asymptotics.score_smoothing import (
    CircleLaw,
    EarlyStoppedLaw,
    GeneratedLaw,
    circle_points,
    expectation,
    follow,
    follow_circle,
    plots,
)
from asymptotics.tools import points, style

from .base import Drawing
from .score_smoothing_networks import PAPER, experiment, panels


def plane(quick: bool = False) -> Drawing:
    """Four points on a line in the plane: tangential and normal variance against t."""
    y, t0, runs, count = np.linspace(-1, 1, 4), 0.05, 8, 4000 if quick else 40_000
    times = np.geomspace(0.045, 1e-5, 9)
    data: dict[str, np.ndarray] = {"times": times}
    with style():
        figure, axes = panels(1, 2, (7.0, 2.9))
        worst = 0.0
        for kernel, label, colour in (("none", "exact score", "C1"), ("box", "smoothed", "C0")):
            tangent, normal = np.empty((runs, times.size)), np.empty((runs, times.size))
            rng = np.random.default_rng(3)
            for r in range(runs):
                x = y[rng.integers(0, 4, count)] + np.sqrt(t0) * rng.standard_normal(count)
                side = np.sqrt(t0) * rng.standard_normal((count, 1))
                for i, t in enumerate(times):
                    across = side.copy()
                    moved = follow(y, x, t0, t, kappa=0.5, kernel=kernel, normal=across, steps=120)
                    # Spread about the nearest training point: what memorisation destroys.
                    tangent[r, i] = np.mean(np.min(np.abs(moved[:, None] - y), axis=1) ** 2)
                    normal[r, i] = np.mean(across**2)
            grid = np.geomspace(times[0], times[-1], 60)
            exact = np.array([_spread_about_points(y, t0, t, kernel) for t in grid])
            for ax, values, theory in ((axes[0], tangent, exact), (axes[1], normal, grid)):
                # Dashed on top: in the normal direction both are the same.
                ax.loglog(grid, theory, color=colour, label=label, linestyle="--" if kernel == "box" else "-")
                mean, sem = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(runs)
                points(ax, times, mean, sem, color=colour)
                at = np.exp(np.interp(np.log(times[::-1]), np.log(grid[::-1]), np.log(theory[::-1])))[::-1]
                worst = max(worst, float(np.max(np.abs(mean / at - 1))))
            data[f"{kernel}_tangential"], data[f"{kernel}_normal"] = tangent, normal
        for ax, name in zip(
            axes,
            ("along the line: mean square distance\nto the nearest training point", "normal: variance"),
            strict=True,
        ):
            ax.set_xlabel("t")
            ax.set_title(name)
        axes[0].legend()
    caption = (
        "Four points on a line in the plane, κ = 0.5, t₀ = 0.05. Smoothing keeps the spread along the line and lets "
        f"the normal variance go to zero as t. Lines: theory; points: {runs} × {count} particles."
    )
    closeness = f"largest relative difference {worst:.3f}"
    source = f"{PAPER}: tangential and normal variance, d = 2"
    return Drawing(
        figure,
        caption,
        source,
        data,
        experiment(4, 0.5, t0, float(times[-1]), dimension=2),
        closeness,
    )


def _spread_about_points(y: np.ndarray, t0: float, t: float, kernel: str) -> float:
    law = EarlyStoppedLaw(y, t) if kernel == "none" else GeneratedLaw(y, 0.5, t0, t)
    return expectation(law, lambda x: np.min(np.abs(x[..., None] - y), axis=-1) ** 2)


def circle(quick: bool = False) -> Drawing:
    """Samples around eight points on a circle: exact score, chord window, angular window."""
    n, kappa, t0, end = 8, 0.5, 0.1, 1e-4
    y, runs, count = circle_points(n), 6, 3000 if quick else 20_000
    data: dict[str, np.ndarray] = {}
    with style():
        figure, axes = panels(2, 3, (7.0, 4.7))
        edges = np.linspace(-np.pi / n, np.pi / n, 25)
        law = CircleLaw(n, kappa, t0)
        shares = {}
        for column, kernel in enumerate(("empirical", "chord", "angular")):
            rng = np.random.default_rng(7)
            x = y[rng.integers(0, n, (runs, count))] + np.sqrt(t0) * rng.standard_normal((runs, count, 2))
            x = np.stack([follow_circle(n, r, t0, end, kappa=kappa, kernel=kernel) for r in x])
            ax = axes[0, column]
            ax.plot(*np.concatenate([y, y[:1]]).T, color="0.6", linewidth=0.7)
            ax.plot(*x[0, :2500].T, ".", markersize=1.5, alpha=0.5, rasterized=True)
            ax.plot(*y.T, "o", color="C1", markersize=3.5)
            ax.set_aspect("equal")
            ax.set_title({"empirical": "exact score", "chord": "chord window", "angular": "angular window"}[kernel])
            angle = np.mod(np.arctan2(x[..., 1], x[..., 0]), 2 * np.pi / n) - np.pi / n
            mean, sem = plots.binned(angle, edges)
            ax = axes[1, column]
            points(ax, (edges[1:] + edges[:-1]) / 2, mean, sem)
            if kernel == "chord":
                phi = np.linspace(-np.pi / n * 0.97, np.pi / n * 0.97, 200)
                position = law.cosine * np.tan(phi)
                ax.plot(phi, n * law.density(position) * law.cosine / np.cos(phi) ** 2, label="theory, t → 0")
                ax.legend()
            ax.set_yscale("log")
            ax.set_ylim(0.02, 60)
            ax.set_xlabel("angle from an edge's middle")
            data[f"{kernel}_mean"], data[f"{kernel}_sem"] = mean, sem
            near = np.min(np.linalg.norm(x[..., None, :] - y, axis=-1), axis=-1) < 0.05
            shares[kernel] = float(near.mean())
        axes[1, 0].set_ylabel("density")
    exact = CircleLaw(n, kappa, t0, end).memorised(0.05)
    closeness = (
        f"within 0.05 of a vertex at t = 1e-4: exact score {shares['empirical']:.3f}, chord {shares['chord']:.3f} "
        f"(closed form {exact:.3f}), angular {shares['angular']:.3f}"
    )
    caption = (
        f"Eight points on the circle, κ = 0.5, from t₀ = 0.1 to 1e-4; {runs} × {count} particles. Smoothed samples "
        "lie on the inscribed polygon, not on the circle; the angular window is metastable."
    )
    source = f"{PAPER}: points on a circle"
    return Drawing(figure, caption, source, data, experiment(n, kappa, t0, end, curve="circle"), closeness)
