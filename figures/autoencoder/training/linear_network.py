"""Figure of the linear auto-encoder that learns the leading eigenvectors one after the other, beside PCA."""

from __future__ import annotations

from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import linear_network
from asymptotics.tools import COLOURS, points, spawn, style

from ...base import Drawing, Figures, mean_and_error

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937: linear networks learn principal components"


def modes(quick: bool) -> Drawing:
    """Strength of the modes and captured fractions against τ: theory, SGD, PCA on the same number of samples."""
    experiment = asy.example("linear-pca")
    size: dict[str, Any] = {"dimension": 300, "runs": 6} if quick else {"dimension": 1000, "runs": 16}
    path = asy.solve(experiment)
    taus = np.array([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 8.0, 12.0])
    runs = asy.simulate(experiment.replace({"simulation.samples": 1}), tau=taus, progress=False, **size)
    theory, got, K = linear_network.learn(path), linear_network.measured(runs), path.K
    pca_taus, pca_dimension = (taus[:4] if quick else taus[:8]), 300
    sample_pca = linear_network.sample_pca
    pca = [[sample_pca(experiment.problem, t, pca_dimension, s) for s in spawn(3, 6)] for t in pca_taus]
    pca_mean, pca_sem = mean_and_error(pca, axis=1)
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained")
        for k in range(K):
            colour = COLOURS[k]
            left.plot(
                theory.tau, theory.strength[:, k], color=colour, label=rf"$\varsigma_{k + 1}={theory.eigenvalues[k]:g}$"
            )
            points(left, runs.tau, got["strength"][0][:, k], got["strength"][1][:, k], color=colour)
            if np.isfinite(theory.escape[k]):
                left.plot(
                    theory.escape[k], theory.final[k] / 2, marker="D", color=colour, markeredgecolor="k", zorder=5
                )
                left.axvline(theory.escape_logistic[k], color=colour, linestyle=":", linewidth=1)
            right.plot(theory.tau, theory.captured[:, k], color=colour)
            points(right, runs.tau, got["captured"][0][:, k], got["captured"][1][:, k], color=colour)
        for k in range(2):
            shown = theory.tau > 0.02
            right.plot(theory.tau[shown], theory.pca[shown, k], "--", color=COLOURS[k], linewidth=1)
            right.errorbar(
                pca_taus,
                pca_mean[:, k],
                yerr=pca_sem[:, k],
                fmt="s",
                markersize=3.5,
                markerfacecolor="white",
                color=COLOURS[k],
            )
        left.plot([], [], "kD", label="escape: half the final value")
        left.plot([], [], "k:", label="escape predicted (one mode alone)")
        right.plot([], [], "k-", label="SGD, theory")
        right.errorbar([], [], yerr=[], fmt="ko", markersize=3.5, label="SGD, experiment")
        right.plot([], [], "k--", linewidth=1, label="PCA of the samples seen, theory")
        right.errorbar([], [], yerr=[], fmt="ks", markersize=3.5, markerfacecolor="white", label="PCA, experiment")
        left.set(xlabel=r"training time $\tau=2\eta n/d$", ylabel=r"strength $\|\Theta_k\|^2$")
        right.set(
            xlabel=r"training time $\tau=2\eta n/d$", ylabel=r"captured $\Theta_k^\top Q^+\Theta_k$", ylim=(-0.03, 1.5)
        )
        for ax in (left, right):
            ax.set_xscale("function", functions=(np.sqrt, np.square))
            ax.set_xticks([0, 0.25, 1, 2, 4, 6, 8, 12], ["0", "¼", "1", "2", "4", "6", "8", "12"])
            ax.set_xlim(0, 12.5)
        left.set_ylim(-0.05, 1.75)
        left.legend(loc="upper right")
        right.legend(loc="upper right")
    at = path(np.minimum(runs.tau, path.tau_max))
    exact = linear_network.captured(at.Theta, at.Q)
    gap = float(np.max(np.abs(got["captured"][0] - exact)))
    lead = [k for k in range(K) if np.isfinite(theory.escape[k])]
    off = max(abs(theory.escape_logistic[k] / theory.escape[k] - 1) for k in lead)
    data = {
        "tau": theory.tau,
        "strength": theory.strength,
        "captured": theory.captured,
        "pca": theory.pca,
        "tau_runs": runs.tau,
        **{f"{name}_{part}": got[name][i] for name in got for i, part in enumerate(("mean", "sem"))},
        "tau_pca": pca_taus,
        "pca_mean": pca_mean,
        "pca_sem": pca_sem,
        "escape": theory.escape,
        "escape_linear": theory.escape_linear,
        "escape_logistic": theory.escape_logistic,
        "growth": theory.growth,
    }
    return Drawing(
        figure,
        "A linear auto-encoder with two hidden units learns the leading eigenvectors one after the other; the third is picked up"
        f" and expelled. Lines: theory. Points: d = {size['dimension']}, {size['runs']} runs, standard errors; squares: PCA of as"
        f" many samples at d = {pca_dimension}. Diamonds: escape times; dotted: predicted from the growth rate and plateau of one"
        " mode alone.",
        PAPER,
        data,
        experiment.to_table(),
        f"captured fractions: largest difference from theory {gap:.3f}; escape times predicted within {100 * off:.0f} %",
    )


FIGURES: Figures = {"linear-modes": modes}
