"""Figures of score smoothing about networks: the variational problem and a trained score network."""

from __future__ import annotations

from typing import Any

import numpy as np

from asymptotics.score_smoothing import (
    EmpiricalScore,
    ScoreSmoothing,
    SmoothedScore,
    convex_program,
    lower_bound,
    matching_kappa,
    penalised_program,
    smoothed_path_norm,
    train,
)
from asymptotics.tools import points, style

from ..base import Drawing, label_ticks, mean_and_error

PAPER = "Chen 2025 (arXiv 2502.19499)"


def experiment(points: int, kappa: float, start: float, end: float = 0.0, **more: Any) -> dict[str, Any]:
    """The experiment's tables of the smoothed score that a figure draws (one of them, where it varies a key)."""
    table = ScoreSmoothing(points=points, kappa=float(kappa), start_time=start, end_time=end, **more).to_table()
    return {"score_smoothing": table}


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """A figure with axes in the house layout."""
    import matplotlib.pyplot as plt

    return plt.subplots(rows, columns, figsize=size, layout="constrained")


def variational(quick: bool = False) -> Drawing:
    """t/2 · r* against ε and t."""
    epsilons = np.geomspace(0.004, 0.3, 6 if quick else 13)
    times = np.geomspace(1e-6, 2e-2, 6 if quick else 13)
    data: dict[str, np.ndarray] = {"epsilon": epsilons, "times": times}
    knots = 31 if quick else 61
    with style():
        figure, axes = panels(1, 2, (7.0, 2.9))
        for i, t in enumerate((1e-2, 1e-3, 1e-5)):
            best = np.array([convex_program(2, t, float(e), knots=knots).scaled for e in epsilons])
            axes[0].semilogx(epsilons, best, color=f"C{i}", label=f"convex program, t = {t:g}")
            data[f"scaled_t{t}"] = best
        axes[0].semilogx(epsilons, 1 - np.sqrt(epsilons), "k:", label="1 − √ε")
        axes[0].set_xlabel("ε")
        axes[0].set_ylabel("(t/2) r*")
        for i, e in enumerate((0.01, 0.04, 0.1)):
            best = np.array([convex_program(2, float(t), e, knots=knots).scaled for t in times])
            kappas = [matching_kappa(e, float(t)) for t in times]
            near = np.array(
                [
                    t / 2 * smoothed_path_norm(2, k, float(t)) if k > 0 else np.nan
                    for k, t in zip(kappas, times, strict=True)
                ]
            )
            axes[1].semilogx(times, best, color=f"C{i}", label=f"ε = {e:g}")
            axes[1].semilogx(times, near, "--", color=f"C{i}")
            axes[1].semilogx(times, [t / 2 * lower_bound(e, float(t)) for t in times], ":", color=f"C{i}")
            data[f"scaled_e{e}"], data[f"smoothed_e{e}"] = best, near
        axes[1].set_xlabel("t")
        axes[1].set_ylabel("(t/2) r")
        axes[1].set_ylim(0.55, 1.5)
        for ax in axes:
            ax.legend()
    limit = data["scaled_e0.04"][0] / (1 - np.sqrt(0.04)) - 1
    caption = (
        "Least path norm r* at loss ε, two points. Right: convex program (full), smoothed score with the least κ of "
        "that loss (dashed), lower bound (dotted). The smoothed score is a near-minimiser, not the minimiser."
    )
    closeness = f"at ε = 0.04, t = 1e-6: (t/2) r*/(1 − √ε) − 1 = {limit:.1e}"
    table = experiment(2, matching_kappa(0.04, 1e-3), 1e-3)
    return Drawing(figure, caption, f"{PAPER}: path norm r* against ε and t", data, table, closeness)


def network(quick: bool = False) -> Drawing:
    """A trained network and the δ_t it finds."""
    times = np.array([0.1, 0.03, 0.01]) if quick else np.array([0.1, 0.05, 0.03, 0.01, 0.003])
    seeds = 2 if quick else 4
    data: dict[str, np.ndarray] = {"times": times}
    with style():
        figure, axes = panels(1, 2, (7.0, 3.0))
        x = np.linspace(-1.6, 1.6, 801)
        t = 0.03
        net = train(2, t, decay=0.1, seed=0)
        axes[0].plot(x, t * EmpiricalScore(2)(x, t), color="0.7", label="exact")
        axes[0].plot(x, t * net(x), label="network, μ = 0.1")
        axes[0].plot(x, t * penalised_program(2, t, 0.1)(x), "--", label="convex program")
        axes[0].plot(x, t * SmoothedScore(2, net.effective_kappa)(x, t), ":", label="smoothed, same slope")
        axes[0].set_xlabel("x")
        axes[0].set_ylabel("t f(x)")
        axes[0].set_title("t = 0.03")
        axes[0].set_ylim(-1.05, 1.75)
        axes[0].legend(ncols=2, loc="upper center", columnspacing=0.8)
        worst, exponents = 0.0, []
        for i, decay in enumerate((0.03, 0.1)):
            found = np.array([[train(2, float(t), decay=decay, seed=s).effective_delta[0] for t in times]
                              for s in range(seeds)])  # fmt: skip
            convex = []
            for t in times:
                best = penalised_program(2, float(t), decay)
                edge = np.array([-0.25, 0.25])
                convex.append(1 - 0.5 / float(np.diff(edge + t * best(edge))[0]))
            axes[1].loglog(times, convex, color=f"C{i}", label=f"convex program, μ = {decay:g}")
            mean, sem = mean_and_error(found)
            points(axes[1], times, mean, sem, color=f"C{i}")
            worst = max(worst, float(np.max(np.abs(mean / convex - 1))))
            exponents.append(float(np.polyfit(np.log(times), np.log(mean), 1)[0]))
            data[f"delta_mu{decay}"], data[f"convex_mu{decay}"] = found, np.array(convex)
        reference = data["convex_mu0.1"][-1] * np.sqrt(times / times[-1])
        axes[1].loglog(times, reference, "k:", label="∝ √t")
        axes[1].set_xlabel("t")
        label_ticks(axes[1].yaxis, [0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
        axes[1].set_title("effective δ of the trained network")
        axes[1].legend()
    caption = (
        "Two-layer ReLU network (64 units) trained by gradient descent with weight decay on noised data, two points. "
        f"Points: effective δ over {seeds} seeds with standard errors; lines: minimiser of the same objective. At "
        "these t, δ grows more slowly than √t (κ = δ/√t rises as t falls) and the outer slopes are flatter than the "
        "smoothed score's."
    )
    closeness = (
        f"network against convex program: δ within {100 * worst:.1f} %; fitted exponent of t in δ: {exponents[0]:.2f} "
        f"(μ = 0.03), {exponents[1]:.2f} (μ = 0.1), against 0.5 for κ√t"
    )
    return Drawing(
        figure, caption, f"{PAPER}: trained score networks", data, experiment(2, net.effective_kappa, 0.03), closeness
    )
