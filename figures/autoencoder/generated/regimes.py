"""Dynamical regimes: speciation, landscapes, clones and U-turns of trained networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.lines import Line2D

import asymptotics as asy
from asymptotics import autoencoder
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, label_ticks

PAPER = "exact score: Biroli, Bonnaire, de Bortoli, Mézard, arXiv 2402.18491; trained networks: not in a paper"
TURNS = (
    "clones: Biroli et al., arXiv 2402.18491; U-turns: Sclocchi, Favero, Wyart 2024; trained networks: not in a paper"
)
#: The published Monte-Carlo data of clones of the exact score: d = 16384, ‖m‖² = d, σ² = 1, Ornstein–Uhlenbeck, each ± .005.
PUBLISHED = ([4.0, 4.5, 5.0, 5.5, 6.0], [0.9854, 0.8876, 0.7295, 0.6111, 0.5420])
#: The time at which tied tanh is Bayes-optimal for two clusters.
OPTIMAL = (3 - 5**0.5) / 2


def _two_clusters(**changes: Any) -> asy.Experiment:
    """m = 3, σ² = 1, trained at the time at which a tied network is optimal; noise that ends with the sampling."""
    return asy.example("two-clusters-speciation").replace(changes)


def landscape(quick: bool) -> Drawing:
    """Landscape and flow of the fields along training."""
    experiment = asy.example("three-clusters")
    path = asy.solve(experiment)
    found = asy.regimes(path, tau=[0.2, 0.4, 1.0, 2.5])
    with style() as plt:
        figure, axes = plt.subplots(2, 2, figsize=(7.0, 6.2), layout="constrained")
        for axis, tau in zip(axes.ravel(), found.tau, strict=True):
            autoencoder.plot_landscape(experiment.problem, path(float(tau)), axis)
        handles = [
            Line2D([], [], color="0.75", lw=0.8, label="level lines of $V$"),
            Line2D([], [], color=COLOURS[5], lw=0.8, label=r"field at $t \to 1$"),
            Line2D([], [], color=COLOURS[0], lw=0.8, marker=".", ms=4, markevery=[0], label="trajectories"),
            Line2D([], [], color=COLOURS[1], marker="o", ms=5, ls="", label="minima, weight of the basin"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
    data = {"tau": found.tau, "kappa": found.kappa, "training_bifurcations": found.training_bifurcations}
    for k, modes in enumerate(found.modes):
        data |= {
            f"places_{k}": np.array([m.place for m in modes]),
            f"weights_{k}": np.array([m.weight for m in modes]),
        }
    known = np.array([0.319215, 0.500695])
    off = np.max(np.abs(found.training_bifurcations - known))
    return Drawing(
        figure,
        "The landscape that the local fields Z of samples flow down, z1 and z2 of a tied network with two hidden units (three clusters, "
        "linear schedule, ε = 0), at four training times: level lines of V, the field of the flow, trajectories of the sampler from their"
        " starts (dots) and the minima with "
        f"the weights of their basins. The origin loses a direction at τ = {found.training_bifurcations[0]:.6f} and "
        f"{found.training_bifurcations[1]:.6f}; then there are four modes for three clusters.",
        PAPER,
        data,
        experiment.to_table(),
        f"the two bifurcations are λ_i(Q) = 1 − b to {off:.0e}",
    )


def phase_diagram(quick: bool) -> Drawing:
    """Where law, score and drift turn, over training and sampling time."""
    experiment = _two_clusters(**{"sampling.epsilon": "0.8"})
    plain = _two_clusters(**{"sampling.epsilon": "0"})
    taus = np.geomspace(0.15, 8.0, 13 if quick else 25)
    panels = [
        ("ε = 0", plain, "two clusters, ε = 0"),
        ("ε = 0.8", experiment, "two clusters, ε = 0.8"),
        ("three", asy.example("three-clusters"), "three clusters, two hidden units"),
    ]
    data: dict[str, np.ndarray] = {}
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.4), layout="constrained", sharey=True)
        for axis, (name, case, title) in zip(axes, panels, strict=True):
            path = asy.solve(case)
            found = asy.regimes(path, tau=taus[taus <= path.tau_max])
            autoencoder.plot_phase(found, axis)
            axis.set_title(title)
            axis.set_xscale("log")
            axis.set_xlim(taus[0], taus[-1])
            label_ticks(axis.xaxis, (0.2, 0.5, 1, 2, 5))
            for key in ("t_bimodal", "t_score", "t_drift"):
                rows = getattr(found, key)
                most = max(map(len, rows), default=0)
                data[f"{name}_{key}"] = np.array([[*row, *[np.nan] * (most - len(row))] for row in rows])
            data |= {f"{name}_tau": found.tau, f"{name}_exact": np.array(found.exact_t_score)}
        for axis in axes[1:]:
            axis.set_ylabel("")
            axis.get_legend().remove()
    # The trained net ends near the optimum of (η → 0): its t_S is 1/κ, the exact score's 1/(1 + √(m² − σ²)).
    gap = abs(data["ε = 0_exact"][0] - 1 / (1 + np.sqrt(8.0)))
    return Drawing(
        figure,
        "Bifurcation times in sampling against training time: the law of the fields becomes bimodal (t_B), the learned score turns "
        "at the symmetric point (t_S), the drift does (t_c, with noise). Dashed: the exact score's t_S. Dotted: training times at "
        "which the origin loses a direction.",
        PAPER,
        data,
        experiment.to_table(),
        f"the exact score's t_S is 1/(1 + √(m² − σ²)) to {gap:.0e}",
    )


def _curve(experiment: asy.Experiment, times: np.ndarray, tau: float) -> Any:
    return asy.regimes(experiment, tau=[tau], clones=times)


def clones(quick: bool) -> Drawing:
    """φ(t) of the exact score, of trained networks and of time-conditioned ones."""
    times = np.linspace(0.0, 0.95, 9 if quick else 20)
    plain = _two_clusters()
    timed = plain.replace(
        {
            "denoiser.skip_fixed": "beta/(alpha**2+beta**2)",
            "denoiser.skip_basis": ["1", "beta"],
            "denoiser.skip": [0.0, 0.0],
            "denoiser.input_scale": "1/sqrt(alpha**2+beta**2)",
            "denoiser.output_scale": "alpha/sqrt(alpha**2+beta**2)",
            "training.times": [0.1, 0.2, 0.3, 0.4, 0.6, 0.8],
        }
    )
    data: dict[str, np.ndarray] = {"t": times}
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
        for k, (label, case) in enumerate((("one time $t_0$", plain), ("time-conditioned", timed))):
            for style_, tau in ((":", 0.6), ("-", 6.0)):
                found = _curve(case, times, tau)
                left.plot(times, found.clones.phi, style_, color=COLOURS[k], label=rf"{label}, $\tau={tau:g}$")
                data[f"{label}_{tau:g}"] = found.clones.phi
        left.plot(times, found.clones.exact, "--", color="0.2", label="exact score, reversed noising")
        data["exact"] = found.clones.exact
        left.set_xlabel("time $t$ of the split")
        left.set_ylabel(r"same cluster, $\phi(t)$")
        left.legend(fontsize=7)
        t = np.linspace(3.5, 6.5, 61)
        unit = np.ones((2, 1, 1))

        def phi(time: float) -> float:
            a = 128.0 * np.exp(-time)
            return autoencoder.posterior_agreement(np.full(2, 0.5), np.array([[a], [-a]]), unit)

        right.plot(t, [phi(float(x)) for x in t], color="0.2", label="exact score, integral")
        points(right, PUBLISHED[0], PUBLISHED[1], np.full(5, 0.005), color=COLOURS[1], label="published Monte Carlo")
        right.axhline(0.775, color="0.6", ls=":", lw=1.0, label="speciation")
        right.set_xlabel("time $t$ of the split (Ornstein–Uhlenbeck, $d = 16384$)")
        right.legend()
    off = np.array([phi(x) - y for x, y in zip(*PUBLISHED, strict=True)])
    data |= {"published_t": np.array(PUBLISHED[0]), "published": np.array(PUBLISHED[1]), "published_off": off}
    return Drawing(
        figure,
        "Probability that two samples that part at t end in the same cluster. Left: two clusters (m = 3, σ² = 1), ε = 1 − t: networks "
        "trained at one time and time-conditioned ones, early and late in training, by Kolmogorov's equation of the reduced SDE; "
        "dashed: the exact score. Right: the exact score of two far clusters, the integral over the published Monte-Carlo data.",
        TURNS,
        data,
        plain.to_table(),
        f"the integral and the published data differ by at most {np.abs(off).max():.4f} (errors ± 0.005)",
    )


def turns(quick: bool) -> Drawing:
    """Clones and U-turns: the reduced SDE over whole samples in R^d."""
    small = {"simulation.dimension": 200 if quick else 1000, "simulation.runs": 4}
    experiment = _two_clusters(**{"training.tau": 4.0} | small)
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.5, 0.7])
    found = asy.regimes(
        experiment, tau=[4.0], clones=times, pairs=2000 if quick else 12_000, simulate=True, progress=False
    )
    verdict, runs = found.compare(), found.simulation
    with style() as plt:
        figure, axis = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        autoencoder.plot_clusters(found, axis)
    data = {"t": times, "exact": found.clones.exact}
    for name in ("clones", "uturns"):
        data |= {name: getattr(found, name).phi, f"{name}_mean": runs.mean(name), f"{name}_sem": runs.sem(name)}
    worst = max(float(np.max(row.scores(), initial=0.0)) for row in verdict.rows)
    return Drawing(
        figure,
        "Clones that part at t, and samples that are noised to t and generated again: probability to end in the same cluster. Lines: "
        f"reduced SDE at d → ∞; dashed: exact score; points: {runs.runs} networks trained in R^d, d = {runs.dimension}, "
        f"{runs.pairs} pairs each.",
        TURNS,
        data,
        experiment.to_table(),
        f"theory and experiment {'agree' if verdict.passed else 'disagree'}; the largest of {verdict.count} differences is "
        f"{worst:.1f} s.e.",
    )


FIGURES: Figures = {
    "regimes-landscape": landscape,
    "regimes-phases": phase_diagram,
    "regimes-clones": clones,
    "regimes-turns": turns,
}
