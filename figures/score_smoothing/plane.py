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
from asymptotics.tools import COLOURS, points, style

from ..base import Drawing, mean_and_error, name_kinds
from .networks import PAPER, experiment, panels


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
                mean, sem = mean_and_error(values)
                points(ax, times, mean, sem, color=colour)
                at = np.exp(np.interp(np.log(times[::-1]), np.log(grid[::-1]), np.log(theory[::-1])))[::-1]
                worst = max(worst, float(np.max(np.abs(mean / at - 1))))
            data[f"{kernel}_tangential"], data[f"{kernel}_normal"] = tangent, normal
        for ax, name, quantity in zip(
            axes,
            ("along the line", "normal to the line"),
            (r"$\mathrm{E}\,\min_i (x_\parallel - y_i)^2$", r"$\mathrm{E}\,x_\perp^2$"),
            strict=True,
        ):
            ax.set(xlabel=r"time $t$ (denoising: to the left)", ylabel=quantity, title=name)
            ax.set_ylim(3e-6, 0.3)
        name_kinds(axes[0], point="particles")
        axes[0].legend(loc="lower right")
        axes[1].annotate(
            "both scores", (1e-3, 1.2e-3), xytext=(-4, 6), textcoords="offset points", ha="right", fontsize=7
        )
    caption = (
        f"Four points y_i on a line in the plane, evenly from −1 to 1; particles start at t₀ = {t0} from the noised points, κ = 0.5."
        " (a) Mean square distance along the line to the nearest training point: the exact score takes it to zero (memorisation),"
        " the smoothed one keeps the spread. (b) Variance normal to the line: t for both. Lines: theory; points: mean of"
        f" {runs} × {count} particles, standard errors smaller than the marker."
    )
    data["off"] = np.array(worst)
    closeness = f"largest relative difference of particles and theory {worst:.3f} (36 numbers)"
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


def _along_an_edge(law: CircleLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x·e_c ≥ 0 at the law's end, its density over all edges, and the mass between 0 and it."""
    u = np.linspace(0.0, 1.8, 30_001)
    start = law.count * law.marginal(u)
    stretch = np.where(u <= law.inner, (law.sine - law.ball_end) / law.inner, np.sqrt(law.end / law.start))
    mass = np.concatenate([[0.0], np.cumsum((start[1:] + start[:-1]) / 2 * np.diff(u))])
    return law.push(u), start / stretch, mass


def circle(quick: bool = False) -> Drawing:
    """Samples around eight points on a circle: exact score, chord window, angular window."""
    n, kappa, t0, end = 8, 0.5, 0.1, 1e-4
    y, runs, count = circle_points(n), 6, 3000 if quick else 20_000
    law = CircleLaw(n, kappa, t0, end)
    # The exact score brings back the noised points at the earlier time: no smoothing, nothing transported.
    known = {"chord": law, "empirical": CircleLaw(n, kappa, end, end)}
    titles = {"empirical": "exact score", "chord": "chord window", "angular": "angular window"}
    # Narrow at the vertices, where the samples of the exact score are 0.01 wide.
    inside, near = np.linspace(0.0, 0.336, 8), law.sine + np.linspace(-0.035, 0.025, 13)
    edges = np.concatenate([-near[::-1], -inside[:0:-1], inside, near])
    data: dict[str, np.ndarray] = {"edges": edges}
    scores = []
    with style():
        figure, axes = panels(2, 3, (7.0, 4.4))
        shares = {}
        for column, kernel in enumerate(titles):
            rng = np.random.default_rng(7)
            x = y[rng.integers(0, n, (runs, count))] + np.sqrt(t0) * rng.standard_normal((runs, count, 2))
            x = np.stack([follow_circle(n, r, t0, end, kappa=kappa, kernel=kernel) for r in x])
            ax = axes[0, column]
            ax.plot(*np.concatenate([y, y[:1]]).T, color="0.6", linewidth=0.7)
            ax.plot(*x[0, :2500].T, ".", markersize=1.5, alpha=0.5, rasterized=True, color=COLOURS[0], label="samples")
            ax.plot(*y.T, "o", color=COLOURS[1], markersize=3.5, label="training points")
            ax.set(aspect="equal", title=titles[kernel], xlabel="$x_1$", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
            theta = np.mod(np.arctan2(x[..., 1], x[..., 0]), 2 * np.pi / n) - np.pi / n
            mean, sem = plots.binned(np.linalg.norm(x, axis=-1) * np.sin(theta), edges)
            ax = axes[1, column]
            seen = mean > 0
            points(ax, ((edges[1:] + edges[:-1]) / 2)[seen], mean[seen], sem[seen], color=COLOURS[0], label="particles")
            if kernel in known:
                place, density, mass = _along_an_edge(known[kernel])
                ax.plot(np.concatenate([-place[::-1], place]), np.concatenate([density[::-1], density]), color=COLOURS[6],
                        label="theory, exact", zorder=3)  # fmt: skip
                cumulative = np.sign(edges) * np.interp(np.abs(edges), place, mass)
                expected = np.diff(cumulative)
                counted = expected * runs * count > 10
                off = mean * np.diff(edges) - expected
                scores.append(off[counted] / np.sqrt((expected * (1 - expected))[counted] / (runs * count)))
            ax.set(yscale="log", ylim=(0.02, 60), xlabel="position along an edge", xlim=(-0.43, 0.43))
            data[f"{kernel}_mean"], data[f"{kernel}_sem"] = mean, sem
            close = np.min(np.linalg.norm(x[..., None, :] - y, axis=-1), axis=-1) < 0.05
            shares[kernel] = float(close.mean())
        axes[0, 0].set_ylabel("$x_2$")
        axes[0, 0].legend(loc="center", handletextpad=0.3, markerscale=1.5)
        axes[1, 0].set_ylabel("density, all edges")
        axes[1, 0].legend(loc="upper center")
    exact = law.memorised(0.05)
    z = np.concatenate(scores)
    data["score"] = z
    closeness = (
        f"within 0.05 of a vertex at t = 1e-4: exact score {shares['empirical']:.3f}, chord {shares['chord']:.3f} "
        f"(closed form {exact:.3f}), angular {shares['angular']:.3f}; {z.size} bins of the first two: root mean square "
        f"{np.sqrt(np.mean(z**2)):.2f}, at most {np.abs(z).max():.1f} standard errors from theory"
    )
    caption = (
        f"Eight training points on the unit circle, particles from t₀ = 0.1 to t = 1e-4, κ = 0.5; {runs} × {count} particles."
        " (a)–(c) Samples in the plane: with the exact score they end at the training points, smoothed along the chord on the"
        " inscribed polygon (not on the circle); the window along the angle is metastable. (d)–(f) Density of the position along an"
        " edge, all edges folded together (the vertices are at ±sin(π/8) = ±0.383). Points: bin averages, narrow at the vertices,"
        " with standard errors; lines: closed form at this t (none for the angular window)."
    )
    source = f"{PAPER}: points on a circle"
    return Drawing(figure, caption, source, data, experiment(n, kappa, t0, end, curve="circle"), closeness)
