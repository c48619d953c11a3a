"""Figures of score smoothing, after Chen 2025 (arXiv 2502.19499)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asymptotics.score_smoothing import (
    EmpiricalScore,
    GeneratedLaw,
    Problem,
    ScoreSmoothing,
    Simulation,
    SmoothedScore,
    best_early_stopping,
    early_stopping,
    follow,
    metrics,
    plots,
    simulate,
)
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, label_ticks
from .networks import PAPER, experiment, network, panels, variational
from .plane import circle, plane


def scores(quick: bool = False) -> Drawing:
    """Exact, piecewise-linear and smoothed score of two points at two times."""
    with style():
        figure, axes = panels(1, 2, (7.0, 2.9))
        x, data = np.linspace(-1.6, 1.6, 801), {}
        for ax, t in zip(axes, (0.1, 0.02), strict=True):
            plots.scores(2, 0.8, t, ax)
            data[f"exact_t{t}"], data[f"smoothed_t{t}"] = EmpiricalScore(2)(x, t), SmoothedScore(2, 0.8)(x, t)
        axes[1].get_legend().remove()
    caption = (
        "Scores of two training points ±1, κ = 0.8, at two times: exact, its piecewise-linear limit, and smoothed. Smoothing "
        "leaves the score alone within δ = κ√t of a point and beyond it."
    )
    away = {t: np.abs(x) > 1 - 0.8 * np.sqrt(t) for t in (0.1, 0.02)}
    gaps = [
        f"{t * np.max(np.abs(data[f'exact_t{t}'] - data[f'smoothed_t{t}'])[there]):.1e}" for t, there in away.items()
    ]
    closeness = (
        f"there t × |exact − smoothed score| is at most {gaps[0]} (t = 0.1) and {gaps[1]} (t = 0.02); theory alone"
    )
    source = f"{PAPER}: exact, piecewise-linear and smoothed score"
    return Drawing(
        figure,
        caption,
        source,
        {"x": x, **data},
        experiment(2, 0.8, 0.1, 0.02),
        closeness,
    )


def trajectories(quick: bool = False) -> Drawing:
    """Straight lines in the plane (x, √t)."""
    with style():
        figure, axes = panels(1, 2, (7.0, 2.9))
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
    source = f"{PAPER}: trajectories in the plane (x, √t)"
    return Drawing(
        figure,
        caption,
        source,
        {"errors": np.array(errors)},
        experiment(2, 0.5, 0.4, 1e-4),
        closeness,
    )


def _bins(t: float) -> np.ndarray:
    """Edges of bins that resolve the peaks of width √t at ±1, and are a tenth wide between them."""
    peak = np.sqrt(t) * np.arange(-4.2, 4.3, 0.6)
    coarse = np.linspace(-1.6, 1.6, 33)
    away = np.min(np.abs(coarse[:, None] - [-1.0, 1.0]), axis=1)
    coarse = coarse[away > peak[-1] + min(0.05, peak[-1])]
    fine = np.concatenate([side + peak for side in (-1.0, 1.0)])
    return np.unique(np.concatenate([coarse, fine])) if 0.6 * np.sqrt(t) < 0.1 else np.linspace(-1.6, 1.6, 33)


def densities(quick: bool = False) -> Drawing:
    """p̂_t against p_t as t decreases."""
    t0, times = 0.2, (0.2, 0.05, 0.01, 0.001)
    count, runs = (20_000, 6) if quick else (60_000, 10)
    data: dict[str, np.ndarray] = {}
    with style():
        figure, axes = panels(2, len(times), (7.0, 3.7))
        x, scores_seen = np.linspace(-1.6, 1.6, 1601), []
        y = np.array([-1.0, 1.0])
        for row, kernel in enumerate(("box", "none")):
            for column, t in enumerate(times):
                rng, edges = np.random.default_rng((1, row, column)), _bins(t)
                ax = axes[row, column]
                start = y[rng.integers(0, 2, (runs, count))] + np.sqrt(t0) * rng.standard_normal((runs, count))
                end = np.stack([follow(y, r, t0, t, kappa=0.5, kernel=kernel) if t < t0 else r for r in start])
                mean, sem = plots.binned(end, edges)
                if kernel == "box":
                    law = GeneratedLaw(2, 0.5, t0, t)
                    line, cumulative = law.density(x), law.cdf(edges)
                else:
                    exact = EmpiricalScore(2)
                    line, cumulative = exact.density(x, t), exact.cdf(edges, t)
                ax.plot(x, line, color=COLOURS[0], label="theory", zorder=3)
                expected = np.diff(cumulative)
                counted = expected * runs * count > 10
                points(ax, ((edges[1:] + edges[:-1]) / 2)[mean > 0], mean[mean > 0], sem[mean > 0], color=COLOURS[1],
                       label="particles")  # fmt: skip
                off = mean * np.diff(edges) - expected
                scores_seen.append(off[counted] / np.sqrt((expected * (1 - expected))[counted] / (runs * count)))
                data[f"{kernel}_t{t}_mean"], data[f"{kernel}_t{t}_sem"] = mean, sem
                data[f"edges_t{t}"] = edges
                ax.set(ylim=(1e-3, 30), yscale="log", xticks=[-1, 0, 1])
                if row == 0:
                    ax.set_title(f"$t = {t:g}$")
                if column:
                    ax.set_yticklabels([])
            axes[row, 0].set_ylabel("density, smoothed score" if kernel == "box" else "density, exact score")
        for ax in axes[1]:
            ax.set_xlabel("$x$")
        axes[0, 0].legend(loc="upper center", ncols=2, columnspacing=0.8, handlelength=1.2)
    z = np.concatenate(scores_seen)
    data["score"] = z
    caption = (
        "Density of the particles while t decreases from t₀ = 0.2, training points ±1. Above: smoothed score, κ = 0.5; below: exact"
        f" score. Lines: closed form; points: averages over bins of {runs} × {count} particles with standard errors (mostly smaller"
        " than the marker); the bins are 0.6√t wide at the peaks, so that the averages lie on the lines."
    )
    closeness = (
        f"{z.size} bins against the theory's mass in them: root mean square {np.sqrt(np.mean(z**2)):.2f}, at most"
        f" {np.abs(z).max():.1f} standard errors"
    )
    source = f"{PAPER}: density along the flow"
    return Drawing(
        figure,
        caption,
        source,
        data,
        experiment(2, 0.5, t0, times[-1]),
        closeness,
    )


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
        figure, grid = panels(2, 2, (7.0, 5.0))
        axes = grid.ravel()
        for i, t0 in enumerate(starts):
            rows = [metrics(GeneratedLaw(2, k, t0)) for k in kappas]
            for ax, name in zip(axes, names, strict=True):
                values = np.array([getattr(m, name) for m in rows])
                ax.plot(kappas, values, color=f"C{i}", label=f"t₀ = {t0:g}")
                data[f"{name}_t{t0}"] = values
            for k in (0.3, 1.0, 1.7):
                table = ScoreSmoothing(points=2, kappa=k, start_time=t0)
                plan = Simulation(samples=4000 if quick else 40_000, runs=8, steps=900, seed=int(100 * k + 1000 * t0))
                runs = simulate(Problem(table, plan), workers=1)
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
        "errors (the divergence from the uniform law by theory only: it needs a density)."
    )
    rms = np.sqrt(np.mean(np.square(scores_seen)))
    closeness = f"rms difference in standard errors over {len(scores_seen)} numbers: {rms:.2f}"
    source = f"{PAPER}: metrics against κ and t₀"
    return Drawing(figure, caption, source, data, experiment(2, 1.0, 0.1), closeness)


def early(quick: bool = False) -> Drawing:
    """Early stopping against smoothing in R^d."""
    stops = np.geomspace(1e-4, 1.0, 40 if quick else 120)
    starts = np.linspace(0.01, 2.0, 30)
    smoothed = min(metrics(GeneratedLaw(2, 0.5, float(t))).w2 for t in starts)
    data: dict[str, np.ndarray] = {"stop": stops}
    with style():
        figure, axes = panels(1, 2, (7.0, 2.9))
        best = {}
        for i, d in enumerate((1, 2, 4, 20)):
            w2 = np.array([early_stopping(2, float(t), d)[1] for t in stops])
            axes[0].semilogx(stops, w2, color=f"C{i}", label=f"d = {d}")
            best[d] = best_early_stopping(2, d)
            axes[0].plot(*best[d], "o", color=f"C{i}", markersize=3.5, clip_on=False)
            data[f"w2_d{d}"] = w2
        axes[0].axhline(smoothed, color="k", linestyle="--", linewidth=1, label="smoothing, any d")
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
        axes[1].set_ylabel("W₂ to the uniform law")
        label_ticks(axes[1].yaxis, [0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
        axes[1].set_title("one dimension: competitive")
        axes[1].legend()
        data |= {"sizes": sizes, "stopping": stopping, "smoothing": smoothing}
    caption = (
        "W₂ to the uniform law between two points in R^d when the exact flow is stopped early (dots: best time), "
        "against smoothing. The advantage of smoothing comes from the normal directions; on the line alone both do "
        "about as well for many points."
    )
    numbers = ", ".join(f"d = {d}: {w:.4f}" for d, (_, w) in best.items())
    closeness = f"best early stopping {numbers}; smoothing {smoothed:.4f}"
    source = f"{PAPER}: early stopping against smoothing (no figure there)"
    return Drawing(
        figure,
        caption,
        source,
        data,
        experiment(2, 0.5, 0.2, dimension=20),
        closeness,
    )


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
