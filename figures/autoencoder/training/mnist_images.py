"""Where the Gaussian theory holds for real images: SGD on MNIST digits against Gaussians and against theory."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.lines import Line2D

import asymptotics as asy
from asymptotics.autoencoder import Runs
from asymptotics.tools import COLOURS, mnist_digits, points, style

from ...base import Drawing, Figures


def gaussian_images(copies: int, seed: int) -> np.ndarray:
    """Gaussian samples whose classes have the means and the *full* covariances of the digits, to rounding."""
    images, labels = mnist_digits()
    rng = np.random.default_rng(seed)
    parts = []
    for c in range(10):
        mine = images[labels == c]
        mean = mine.mean(axis=0)
        values, vectors = np.linalg.eigh((mine - mean).T @ (mine - mean) / len(mine))
        z = rng.standard_normal((copies * len(mine), mine.shape[1]))
        z -= z.mean(axis=0)
        whiten = np.linalg.inv(np.linalg.cholesky(z.T @ z / len(z))).T
        parts.append(mean + z @ whiten @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)
    return np.concatenate(parts)


def _difference(a: Runs, b: Runs, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the means at the last τ and its standard error."""
    return a.mean(name)[-1] - b.mean(name)[-1], np.hypot(a.sem(name)[-1], b.sem(name)[-1])


def images(quick: bool) -> Drawing:
    """Theory, SGD on Gaussians and SGD on the images, for ten classes of digits."""
    exp = asy.example("mnist-classes")
    path = asy.solve(exp, tolerance=1e-3)
    runs = 6 if quick else 32
    options: dict[str, Any] = {"runs": runs, "samples": 1, "progress": False, "tau": np.linspace(0, 8, 9)}
    gaussian = asy.simulate(exp, dimension=784, companion=False, **options)
    full = asy.simulate(exp, data=gaussian_images(2 if quick else 4, 5), **options)
    digits = asy.simulate(exp, data="mnist", **options)
    tau, end = np.linspace(0, 8, 161), path(8.0)
    data = {"tau": tau, "tau_runs": digits.tau, "Q": path(tau).Q, "b": path(tau).b, "M": end.M}
    kinds = (("gaussian", gaussian), ("full", full), ("digits", digits))
    for name in ("Q", "b", "M"):
        data |= {f"{name}_{kind}_mean": r.mean(name) for kind, r in kinds}
        data |= {f"{name}_{kind}_sem": r.sem(name) for kind, r in kinds}
    with style() as plt:
        figure = plt.figure(figsize=(7.0, 5.6), layout="constrained")
        grid = figure.add_gridspec(2, 2)
        axes = [figure.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :])]
        shown = ((r"$Q_{11}$", "Q", (0, 0)), (r"$Q_{22}$", "Q", (1, 1)), ("$b$", "b", ()))
        for k, (label, name, index) in enumerate(shown):
            at = (slice(None), *index)
            axes[0].plot(tau, getattr(path(tau), name)[at], color=COLOURS[k], label=label)
            points(axes[0], gaussian.tau, gaussian.mean(name)[at], gaussian.sem(name)[at], color=COLOURS[k], mfc="w")
            points(axes[0], digits.tau, digits.mean(name)[at], digits.sem(name)[at], color=COLOURS[k])
        axes[0].set(xlabel=r"training time $\tau = 2\eta n/d$", ylabel="order parameters")
        who = [Line2D([], [], color="0.3", label="theory")]
        for name, fill in (("images", "0.3"), ("Gaussians", "w")):
            who.append(Line2D([], [], color="0.3", marker="o", ms=3.5, ls="", mfc=fill, label=name))
        axes[0].set_ylim(top=1.35 * axes[0].get_ylim()[1])
        axes[0].legend(handles=[*axes[0].get_legend_handles_labels()[0][:3], *who], ncols=2, loc="upper center")
        reach = 1.1 * np.abs(end.M).max()
        axes[1].plot([-reach, reach], [-reach, reach], color="0.6", linewidth=0.8)
        for unit in range(2):
            mean, sem = digits.mean("M")[-1][unit], digits.sem("M")[-1][unit]
            points(axes[1], end.M[unit], mean, sem, color=COLOURS[unit], label=f"hidden unit {unit + 1}")
            for c in range(10):
                axes[1].annotate(
                    str(c),
                    (end.M[unit, c], mean[c]),
                    xytext=((-9, 2), (4, -7))[unit],
                    textcoords="offset points",
                    fontsize=7,
                    color=COLOURS[unit],
                )
        axes[1].set(
            xlabel=r"theory, $M_\gamma(c)$ at $\tau = 8$", ylabel="images", title="overlap with each digit's mean"
        )
        axes[1].legend()
        labels = ["$b$", "$Q_{11}$", "$Q_{22}$", *[f"$M_1({c})$" for c in range(10)]]

        def row(b: np.ndarray, Q: np.ndarray, M: np.ndarray) -> np.ndarray:
            return np.concatenate([[b, Q[0, 0], Q[1, 1]], M[0]])

        steps = (
            ("finite d: Gaussians − theory", [gaussian.mean(n)[-1] - getattr(end, n) for n in "bQM"],
             [gaussian.sem(n)[-1] for n in "bQM"]),
            ("full class covariances", *zip(*[_difference(full, gaussian, n) for n in "bQM"], strict=True)),
            ("not Gaussian: images − Gaussians", *zip(*[_difference(digits, full, n) for n in "bQM"], strict=True)),
        )  # fmt: skip
        for k, (label, value, error) in enumerate(steps):
            place = np.arange(len(labels)) + 0.25 * (k - 1)
            gap, sem = row(*value), row(*error)
            axes[2].bar(place, gap, 0.25, color=COLOURS[k], alpha=0.5, label=label)
            axes[2].errorbar(place, gap, yerr=sem, fmt="none", ecolor=COLOURS[k], capsize=1.5)
            data |= {f"gap_{k}": gap, f"gap_{k}_sem": sem}
        axes[2].axhline(0, color="0.3", linewidth=0.8)
        axes[2].set_xticks(np.arange(len(labels)), labels, fontsize=7)
        axes[2].set_title(r"the gap images − theory at $\tau = 8$, in three parts")
        axes[2].set_ylabel("difference")
        axes[2].legend()
    target = exp.problem.target
    b, Q = digits.mean("b")[-1] - end.b, np.diag(digits.mean("Q")[-1] - end.Q)
    M, sem = digits.mean("M")[-1] - end.M, digits.sem("M")[-1]
    unit, worst = (int(k) for k in np.unravel_index(int(np.argmax(np.abs(M))), M.shape))
    return Drawing(
        figure,
        "SGD on 10 000 MNIST digits (mean image subtracted), r = 2, tanh, start along the means of 0 and 1, against the theory of"
        f" ten Gaussian classes with the measured means and spectra; mean and standard error of {runs} trainings, d = 784."
        f" Of the class covariances {float(target.weights @ target.commutation):.2f} of the squared norm is off-diagonal in the"
        " common eigenbasis and unknown to theory. Top left: Q and b of the images are those of Gaussians with the same spectra;"
        " theory (d → ∞) lies off by the finite d, Tr Σ = 41.5 being no large number. Top right: overlaps of the two hidden units"
        " with the class means. Bottom: the gap split by Gaussian samples with the full class covariances.",
        "Cui, Pehlevan, Lu, arXiv 2501.03937, the theory applied to real images",
        data,
        exp.to_table(),
        f"images − theory at τ = 8: b {b:+.4f} of {end.b:.4f}, Q₁₁ {Q[0]:+.3f} of {end.Q[0, 0]:.3f}, Q₂₂ {Q[1]:+.3f} of"
        f" {end.Q[1, 1]:.3f}; largest of M: {M[unit, worst]:+.2f} ± {sem[unit, worst]:.2f} of {end.M[unit, worst]:.2f} (unit"
        f" {unit + 1}, digit {worst})",
    )


FIGURES: Figures = {"mnist-images": images}
