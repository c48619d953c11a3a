"""Figures of score smoothing, after Chen 2025 (arXiv 2502.19499)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asymptotics.common.plotting import points, style
from asymptotics.score_smoothing import (
    CircleLaw,
    EarlyStoppedLaw,
    EmpiricalScore,
    GeneratedLaw,
    ScoreSmoothing,
    Simulation,
    SmoothedScore,
    best_early_stopping,
    circle_points,
    early_stopping,
    metrics,
    plots,
)
from asymptotics.score_smoothing.distances import expectation
from asymptotics.score_smoothing.simulation import follow, follow_circle, simulate

from .base import Drawing
from .score_smoothing_networks import PAPER, network, panels, variational


def scores(quick: bool = False) -> Drawing:
    """Exact, piecewise-linear and smoothed score of two points at two times."""
    with style():
        figure, axes = panels(1, 2, (7.2, 2.9))
        x, data = np.linspace(-1.6, 1.6, 801), {}
        for ax, t in zip(axes, (0.1, 0.02), strict=True):
            plots.scores(2, 0.8, t, ax)
            data[f"exact_t{t}"], data[f"smoothed_t{t}"] = EmpiricalScore(2)(x, t), SmoothedScore(2, 0.8)(x, t)
        axes[1].get_legend().remove()
    return Drawing(figure, "Scores of two training points ±1, κ = 0.8, times t.", PAPER, {"x": x, **data})


def trajectories(quick: bool = False) -> Drawing:
    """Straight lines in the plane (x, √t)."""
    with style():
        figure, axes = panels(1, 2, (7.2, 2.9))
        errors = []
        for ax, n in zip(axes, (2, 4), strict=True):
            start = 0.4 / (n - 1) ** 2
            plots.trajectories(n, 0.5, start, ax, count=41)
            ax.set_title(f"{n} points")
            x0 = np.linspace(-1.45, 1.45, 41)[::3]
            steps = 200 if quick else 600
            for end in (start / 4, start / 40, start / 4000):
                moved = follow(np.linspace(-1, 1, n), x0, start, end, kappa=0.5, steps=steps)
                ax.plot(moved, np.full(x0.size, np.sqrt(end)), "o", color="C3", markersize=2.5)
                errors.append(np.max(np.abs(moved - SmoothedScore(n, 0.5).flow(x0, start, end))))
    caption = (
        "Trajectories of the smoothed score in the plane (x, √t), κ = 0.5: straight lines; lines theory, dots "
        "particles (without noise, so without error bars); shaded: where smoothing acts."
    )
    closeness = f"largest distance of a particle from its line: {max(errors):.1e}"
    return Drawing(figure, caption, PAPER, {"errors": np.array(errors)}, closeness=closeness)


def densities(quick: bool = False) -> Drawing:
    """p̂_t against p_t as t decreases."""
    t0, times = 0.2, (0.2, 0.05, 0.01, 0.001)
    count, runs = (20_000, 6) if quick else (60_000, 10)
    data: dict[str, np.ndarray] = {}
    with style():
        figure, axes = panels(2, len(times), (8.4, 4.4))
        edges = np.linspace(-1.6, 1.6, 33)
        middle, x, scores_seen = (edges[1:] + edges[:-1]) / 2, np.linspace(-1.6, 1.6, 1601), []
        y = np.array([-1.0, 1.0])
        for row, kernel in enumerate(("box", "none")):
            for column, t in enumerate(times):
                rng = np.random.default_rng(1)
                ax = axes[row, column]
                start = y[rng.integers(0, 2, (runs, count))] + np.sqrt(t0) * rng.standard_normal((runs, count))
                end = np.stack([follow(y, r, t0, t, kappa=0.5, kernel=kernel) if t < t0 else r for r in start])
                mean, sem = plots.binned(end, edges)
                if kernel == "box":
                    law = GeneratedLaw(2, 0.5, t0, t)
                    exact = np.diff(law.cdf(edges)) / np.diff(edges)
                    ax.plot(x, law.density(x), color="C0")
                else:
                    exact = np.diff(EmpiricalScore(2).cdf(edges, t)) / np.diff(edges)
                    ax.plot(x, EmpiricalScore(2).density(x, t), color="C0")
                points(ax, middle, mean, sem, color="C1")
                seen = sem > 0
                scores_seen.append(np.sqrt(np.mean(((mean - exact)[seen] / sem[seen]) ** 2)))
                data[f"{kernel}_t{t}_mean"], data[f"{kernel}_t{t}_sem"] = mean, sem
                ax.set_ylim(1e-3, 30)
                ax.set_yscale("log")
                ax.set_title(f"t = {t:g}")
                if column:
                    ax.set_yticklabels([])
            axes[row, 0].set_ylabel("smoothed density" if kernel == "box" else "exact score")
        for ax in axes[1]:
            ax.set_xlabel("x")
    caption = (
        f"Density while t decreases from 0.2, two points, κ = 0.5. Lines: closed form; points: bin averages of {runs} "
        f"× {count} particles with standard errors (a bin average lies off the line where the density varies within "
        "the bin)."
    )
    closeness = f"rms difference to the bin-averaged theory, in standard errors: {np.mean(scores_seen):.2f}"
    return Drawing(figure, caption, PAPER, {"edges": edges, **data}, closeness=closeness)


def plane(quick: bool = False) -> Drawing:
    """Four points on a line in the plane: tangential and normal variance against t."""
    y, t0, runs, count = np.linspace(-1, 1, 4), 0.05, 8, 4000 if quick else 40_000
    times = np.geomspace(0.045, 1e-5, 9)
    data: dict[str, np.ndarray] = {"times": times}
    with style():
        figure, axes = panels(1, 2, (7.2, 2.9))
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
                ax.loglog(grid, theory, color=colour, label=label)
                mean, sem = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(runs)
                points(ax, times, mean, sem, color=colour)
                at = np.exp(np.interp(np.log(times[::-1]), np.log(grid[::-1]), np.log(theory[::-1])))[::-1]
                worst = max(worst, float(np.max(np.abs(mean / at - 1))))
            data[f"{kernel}_tangential"], data[f"{kernel}_normal"] = tangent, normal
        for ax, name in zip(
            axes, ("along the line: mean square distance to the\nnearest training point", "normal"), strict=True
        ):
            ax.set_xlabel("t")
            ax.set_title(name)
        axes[0].legend()
    caption = (
        "Four points on a line in the plane, κ = 0.5, t₀ = 0.05. Smoothing keeps the spread along the line and lets "
        f"the normal variance go to zero as t. Lines: theory; points: {runs} × {count} particles."
    )
    return Drawing(figure, caption, PAPER, data, closeness=f"largest relative difference {worst:.3f}")


def _spread_about_points(y: np.ndarray, t0: float, t: float, kernel: str) -> float:
    law = EarlyStoppedLaw(y, t) if kernel == "none" else GeneratedLaw(y, 0.5, t0, t)
    return expectation(law, lambda x: np.min(np.abs(x[..., None] - y), axis=-1) ** 2)


def circle(quick: bool = False) -> Drawing:
    """Samples around eight points on a circle: exact score, chord window, angular window."""
    n, kappa, t0, end = 8, 0.5, 0.1, 1e-4
    y, runs, count = circle_points(n), 6, 3000 if quick else 20_000
    data: dict[str, np.ndarray] = {}
    with style():
        figure, axes = panels(2, 3, (8.2, 5.2))
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
    return Drawing(figure, caption, PAPER, data, closeness=closeness)


def distances(quick: bool = False) -> Drawing:
    """W₁, W₂, interpolated mass and KL against κ and t₀."""
    kappas, starts = np.linspace(0.05, 2.0, 15 if quick else 40), (0.05, 0.1, 0.2)
    data: dict[str, np.ndarray] = {"kappa": kappas}
    names = {
        "interpolated_mass": "interpolated mass",
        "w1": "W₁ to uniform",
        "w2": "W₂ to uniform",
        "kl_uniform_total": "KL(U‖p̂)",
    }
    scores_seen = []
    with style():
        figure, axes = panels(1, 4, (9.6, 2.7))
        for i, t0 in enumerate(starts):
            rows = [metrics(GeneratedLaw(2, k, t0)) for k in kappas]
            for ax, name in zip(axes, names, strict=True):
                values = np.array([getattr(m, name) for m in rows])
                ax.plot(kappas, values, color=f"C{i}", label=f"t₀ = {t0:g}")
                data[f"{name}_t{t0}"] = values
            for k in (0.3, 1.0, 1.7):
                table = ScoreSmoothing(points=2, kappa=k, start_time=t0)
                plan = Simulation(samples=4000 if quick else 40_000, runs=8, steps=900, seed=int(100 * k + 1000 * t0))
                runs = simulate(table, plan, workers=1)
                for ax, name in zip(axes[:3], names, strict=False):
                    mean, sem = float(runs.mean(name)), float(runs.sem(name))
                    points(ax, [k], [mean], [sem], color=f"C{i}")
                    scores_seen.append((mean - getattr(metrics(GeneratedLaw(2, k, t0, 1e-8)), name)) / sem)
        for ax, label in zip(axes, names.values(), strict=True):
            ax.set_xlabel("κ")
            ax.set_title(label)
        axes[1].axhline(0.5, color="0.7", linewidth=0.8, zorder=0)
        axes[2].axhline(1 / np.sqrt(3), color="0.7", linewidth=0.8, zorder=0)
        axes[0].legend()
    caption = (
        "Two points, t → 0, against κ for three t₀; grey: no smoothing. Lines: theory; points: particles with standard "
        "errors."
    )
    rms = np.sqrt(np.mean(np.square(scores_seen)))
    closeness = f"rms difference in standard errors over {len(scores_seen)} numbers: {rms:.2f}"
    return Drawing(figure, caption, PAPER, data, closeness=closeness)


def early(quick: bool = False) -> Drawing:
    """Early stopping against smoothing in R^d."""
    stops = np.geomspace(1e-4, 1.0, 40 if quick else 120)
    starts = np.linspace(0.01, 2.0, 30)
    smoothed = min(metrics(GeneratedLaw(2, 0.5, float(t))).w2 for t in starts)
    data: dict[str, np.ndarray] = {"stop": stops}
    with style():
        figure, axes = panels(1, 2, (7.2, 2.9))
        best = {}
        for i, d in enumerate((1, 2, 4, 20)):
            w2 = np.array([early_stopping(2, float(t), d)[1] for t in stops])
            axes[0].semilogx(stops, w2, color=f"C{i}", label=f"d = {d}")
            best[d] = best_early_stopping(2, d)
            axes[0].plot(*best[d], "o", color=f"C{i}", markersize=3.5, clip_on=False)
            data[f"w2_d{d}"] = w2
        axes[0].axhline(smoothed, color="k", linestyle="--", linewidth=1, label="smoothing κ = 0.5, any d")
        axes[0].set_ylim(0.35, 1.0)
        axes[0].set_xlabel("stopping time")
        axes[0].set_ylabel("W₂ to the uniform law")
        axes[0].set_title("two points")
        axes[0].legend()
        sizes = np.arange(2, 10)
        stopping = np.array([best_early_stopping(int(n))[1] for n in sizes])
        smoothing = np.array(
            [min(metrics(GeneratedLaw(int(n), 0.5, float(s) / (n - 1) ** 2)).w2 for s in starts) for n in sizes]
        )
        axes[1].semilogy(sizes, stopping, "-", label="early stopping, best time")
        axes[1].semilogy(sizes, smoothing, "--", label="smoothing κ = 0.5, best start")
        axes[1].set_xlabel("number of points")
        axes[1].set_title("one dimension: competitive")
        axes[1].legend()
        data |= {"sizes": sizes, "stopping": stopping, "smoothing": smoothing}
    caption = (
        "W₂ to the uniform law between two points in R^d when the exact flow is stopped early (dots: best time), "
        "against smoothing. The advantage of smoothing comes from the normal directions; on the line alone both do "
        "about as well for many points."
    )
    numbers = ", ".join(f"d = {d}: {w:.4f}" for d, (_, w) in best.items())
    return Drawing(figure, caption, PAPER, data, closeness=f"best early stopping {numbers}; smoothing {smoothed:.4f}")


FIGURES: dict[str, Callable[[bool], Drawing]] = {
    "smoothing-scores": scores,
    "smoothing-trajectories": trajectories,
    "smoothing-densities": densities,
    "smoothing-plane": plane,
    "smoothing-circle": circle,
    "smoothing-distances": distances,
    "smoothing-early-stopping": early,
    "smoothing-variational": variational,
    "smoothing-network": network,
}
