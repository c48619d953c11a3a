"""Figures of why modes collapse, and of the map from one generation to the next (Cui, Pehlevan, Lu 2025)."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

import asymptotics as asy
from asymptotics import autoencoder
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, mean_and_error

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937"
EXAMPLE = "model-collapse"


def cobweb(quick: bool) -> Drawing:
    """The collapse map at two shares of original data, and for one late training time."""
    e = asy.example(EXAMPLE)
    cases = (
        ("ten times", autoencoder.CollapseMap(e.problem)),
        (r"ten times, $\varphi = 0.3$", autoencoder.CollapseMap(e.problem, 0.3)),
        (r"one time $t = 0.7$", autoencoder.CollapseMap(e.replace({"training.times": [0.7]}).problem)),
    )
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.6), layout="constrained")
        for k, (axis, (title, f)) in enumerate(zip(axes, cases, strict=True)):
            autoencoder.plot_cobweb(f, axis)
            axis.set_title(f"{title}:\n{f.phase()}")
            axis.set_xlabel(r"$\Lambda$ of a generation")
            axis.set_ylabel(r"$\Lambda$ of the next" if k == 0 else "")
            fixed = f.fixed_points()
            data[f"fixed_points_{k}"] = np.array([p.Lambda for p in fixed])
            data[f"slopes_{k}"] = np.array([p.slope for p in fixed])
            data[f"iterates_{k}"] = f.iterate(12)
    caption = (
        "Variance of the directions that are not followed, from one generation to the next: map, diagonal, fixed points (filled: "
        "stable) and the iteration from the original target. Linear interpolant, Euler steps of .01 to t = .99, tau = 4."
    )
    closeness = "theory alone; fixed points at " + "; ".join(
        ", ".join(f"{x:.3g}" for x in data[f"fixed_points_{k}"]) for k in range(len(cases))
    )
    closeness += "; the map is compared with experiment in collapse-decay and collapse-remedy"
    return Drawing(figure, caption, f"{PAPER}: closed on the skip connection", data, e.to_table(), closeness)


def phases(quick: bool) -> Drawing:
    """Collapse, stable spread and blow-up over (t_f, τ), (t_f, ε) and (t_f, φ)."""
    n = 14 if quick else 31
    e = asy.example(EXAMPLE).replace({"training.times": [0.7], "sampling.scheme": "euler"})
    many = asy.example(EXAMPLE)
    stops = np.linspace(0.3, 0.995, n)
    diagrams = (
        (
            "one time $t = 0.7$",
            autoencoder.phase_diagram(e.problem, ("stop", stops), ("tau", np.geomspace(0.5, 16, n))),
        ),
        (
            "one time $t = 0.7$",
            autoencoder.phase_diagram(e.problem, ("stop", stops), ("epsilon", np.linspace(0, 2, n))),
        ),
        (
            "one time $t = 0.7$",
            autoencoder.phase_diagram(e.problem, ("stop", stops), ("original", np.linspace(0, 0.9, n))),
        ),
        ("ten times", autoencoder.phase_diagram(many.problem, ("stop", stops), ("original", np.linspace(0, 0.9, n)))),
    )
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.2), layout="constrained")
        for k, (axis, (title, diagram)) in enumerate(zip(axes.flat, diagrams, strict=True)):
            autoencoder.plot_phase_diagram(diagram, axis, bar=False)
            axis.set_title(title)
            if diagram.names[1] == "tau":
                axis.set_yscale("log")
            data |= {
                f"x_{k}": diagram.x,
                f"y_{k}": diagram.y,
                f"limit_{k}": diagram.limit,
                f"stable_{k}": diagram.stable,
            }
        picture = axes[0, 0].collections[0]
        figure.colorbar(picture, ax=list(axes.flat), label=r"$\log_{10}\,\Lambda_\infty/\Lambda_0$", shrink=0.7)
        handles = [
            Line2D([], [], color="black", lw=0.8, label=r"$\Lambda_\infty/\Lambda_0$ = 1/10, 1, 10"),
            Line2D([], [], color="0.35", lw=0.9, ls="--", label="a second limit is stable on one side"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    caption = (
        "Where the collapse map's iteration from the original target, Lambda_0, ends: blue collapse, white a stable spread, red blow-up"
        " (lines: a tenth, one and ten times the original; dashed: the border of where the map has a second stable limit), against the"
        " stopping time t_f of the sampler and (a) training time, (b) the sampler's noise, epsilon (1 - t), (c), (d) the share phi of"
        " original data in every generation. Networks trained at t = 0.7 (a-c) or at ten times (d), keys as in the example"
        f" {EXAMPLE}; {n} x {n} values a panel."
    )
    closeness = "theory alone; the map is compared with experiment in collapse-decay and collapse-remedy"
    return Drawing(figure, caption, f"{PAPER}: phase diagram of its collapse", data, e.to_table(), closeness)


def _remedied(e: asy.Experiment, phi: float) -> tuple[float, float, float]:
    """Λ of the last generation's data at a share of original data: theory, and R^d extrapolated in 1/d with standard error."""
    mixed = e.replace({"generations.original": phi})
    runs = autoencoder.simulate_generations(mixed.problem, progress=False)
    theory = float(autoencoder.CollapseMap(mixed.problem, phi).iterate(runs.count)[runs.count - 1])
    high, low = (float(runs.mean("Lambda", low=small)[-1]) for small in (False, True))
    errors = [float(runs.sem("Lambda", low=small)[-1]) for small in (False, True)]
    ratio = runs.dimension / runs.low_dimension
    return theory, (ratio * high - low) / (ratio - 1), float(np.hypot(ratio * errors[0], errors[1])) / (ratio - 1)


def remedy(quick: bool) -> Drawing:
    """What original data mixed into every generation does to the limit."""
    n, some = (60, [0.1, 0.5]) if quick else (400, [0.05, 0.15, 0.3, 0.5, 0.7, 0.9])
    size = {"dimension": 160, "runs": 3, "samples": 50} if quick else {"dimension": 400, "runs": 6, "samples": 50}
    changes = {f"simulation.{key}": value for key, value in size.items()} | {"generations.count": 4}
    phi = np.linspace(0, 1, n)
    data: dict[str, np.ndarray] = {"phi": phi, "phi_runs": np.array(some)}
    scores: list[np.ndarray] = []
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for k, stop in enumerate((0.6, 0.9, 0.99)):
            e = asy.example(EXAMPLE).replace(changes | {"sampling.stop": stop})
            limits = np.array([autoencoder.CollapseMap(e.problem, float(x)).limit() for x in phi])
            fourth = np.array([autoencoder.CollapseMap(e.problem, float(x)).iterate(3)[3] for x in phi])
            axis.plot(phi, fourth, color=COLOURS[k], ls="--", lw=0.9)
            critical = autoencoder.CollapseMap(e.problem).critical_fraction()
            theory, mean, sem = np.array([_remedied(e, x) for x in some]).T
            points(axis, some, mean, sem, color=COLOURS[k])
            scores.append((mean - theory) / sem)
            data |= {f"fourth_{stop:g}": fourth, f"mean_{stop:g}": mean, f"sem_{stop:g}": sem}
            axis.plot(phi, limits, color=COLOURS[k], label=f"$t_f = {stop:g}$")
            axis.axvline(critical.fraction, color=COLOURS[k], ls=":", lw=0.9)
            data[f"limit_{stop:g}"] = limits
            data[f"critical_{stop:g}"] = np.array(critical.fraction)
        axis.axhline(0.5, color="0.7", lw=0.8)
        axis.set_xlabel(r"share $\varphi$ of original data")
        axis.set_ylabel(r"$\Lambda$ of a late generation")
        axis.legend()
    z = np.concatenate(scores)
    caption = (
        "Mean eigenvalue of the training data against the share of original data in every generation, for three stopping times. "
        "Full lines: after many generations; dashed: of the fourth, theory; points: of the fourth in R^d, mean and standard error "
        f"of {size['runs']} chains, extrapolated in 1/d from d = {size['dimension']} and {size['dimension'] // 4}. Dotted: the "
        "share that keeps half of it. Ten training times, tau = 4."
    )
    closeness = (
        f"{z.size} points of the fourth generation: root mean square {np.sqrt(np.mean(z**2)):.2f}, at most "
        f"{np.abs(z).max():.1f} standard errors from theory"
    )
    table = e.replace({"generations.original": some[0]}).to_table()
    return Drawing(figure, caption, f"{PAPER}: the remedy for its collapse", data, table, closeness)


def mechanism(quick: bool) -> Drawing:
    """Why modes collapse: b_τ and the variance a network generates, against the variance it was trained on."""
    base = asy.example(EXAMPLE)
    size = {"dimension": 200, "runs": 4, "samples": 200} if quick else {"dimension": 500, "runs": 8, "samples": 200}
    some = np.array([0.1, 0.5, 2.0] if quick else [0.05, 0.2, 0.5, 1.0, 3.0])
    fine = np.geomspace(0.02, 8.0, 200)
    stops = (0.6, 0.9, 0.99)
    data: dict[str, np.ndarray] = {"Lambda": fine, "Lambda_runs": some}
    z = []
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.8), layout="constrained")
        for k, stop in enumerate(stops):
            e = base.replace({"sampling.stop": stop} | {f"simulation.{key}": value for key, value in size.items()})
            f = autoencoder.CollapseMap(e.problem, 0.0)
            b, variance = f.skip(fine), f(fine)
            if k == 0:
                left.plot(fine, b, color="black", label=r"theory, $b_\tau(\Lambda)$")
                data["b"] = b
            right.plot(fine, variance, color=COLOURS[k], label=f"$t_f = {stop:g}$")
            data[f"variance_{stop:g}"] = variance
            found = [
                asy.simulate(
                    e.replace({"target.eigenvalues": [[float(x)]]}),
                    tau=[e.problem.training.tau],
                    companion=False,
                    progress=False,
                )
                for x in some
            ]
            # Of the directions orthogonal to the clusters.
            d, K = size["dimension"], e.problem.target.directions
            rest = [(d * r.norms - np.sum(r.generated**2, axis=2)).mean(axis=1) / (d - K) for r in found]
            mean, sem = np.array([mean_and_error(x) for x in rest]).T
            points(right, some, mean, sem, color=COLOURS[k])
            data |= {f"mean_{stop:g}": mean, f"sem_{stop:g}": sem}
            z.append(np.abs(mean / np.array([float(f(x)) for x in some]) - 1))
            if k == 0:
                mean, sem = np.array([(float(r.mean("b")[-1]), float(r.sem("b")[-1])) for r in found]).T
                points(left, some, mean, sem, color=COLOURS[1], label="experiment")
                data |= {"b_mean": mean, "b_sem": sem, "b_off": np.abs(mean - f.skip(some))}
        right.plot(fine, fine, color="0.6", lw=0.8, label=r"$v = \Lambda$")
        left.set(xscale="log", xlabel=r"training variance $\Lambda$", ylabel=r"skip connection $b_\tau$")
        right.set(
            xscale="log", yscale="log", xlabel=r"training variance $\Lambda$", ylabel=r"generated variance $v_{t_f}$"
        )
        left.legend()
        right.legend()
    off = np.concatenate(z)
    data["variance_off"] = off
    caption = (
        "The mode-collapse argument in one picture. (a) The trained skip connection against the variance Lambda of the training data"
        " in all directions that are not followed. (b) The variance that the network generates there, for three stopping times t_f:"
        " below the grey diagonal the next generation is narrower, above it wider; where a curve crosses it, spread is kept. Lines:"
        f" theory. Points: mean and standard error (smaller than the mark where not seen) of {size['runs']} trainings in R^d, d ="
        f" {size['dimension']}, in the directions orthogonal to the clusters; the weights add a share of order 1/d. Other keys"
        f" as in the example {EXAMPLE}."
    )
    closeness = (
        f"skip connection within {data['b_off'].max():.4f}; generated variance within {100 * np.median(off):.1f} % (median of"
        f" {off.size} points), at most {100 * off.max():.0f} %, where the weights' share of order 1/d is not small against it"
    )
    return Drawing(figure, caption, f"{PAPER}: the argument for model collapse", data, base.to_table(), closeness)


FIGURES: Figures = {
    "collapse-mechanism": mechanism,
    "collapse-cobweb": cobweb,
    "collapse-phases": phases,
    "collapse-remedy": remedy,
}
