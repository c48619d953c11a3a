"""Figures of other targets, samplers and predictions: a latent curve, unequal clusters, noise in the sampler, what is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import (
    Film,
    GeneratedDensity,
    OrderParameterPath,
    density_legend,
    draw_film,
    draw_frame,
    film,
)
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, name_kinds
from .training_density import READING, along, closeness, numbers, started

PAPER = "Cui, Pehlevan, Lu, arXiv 2501.03937"
#: Nodes of the latent angle: equal weights are exact for a periodic density up to e^{-nodes}.
NODES = 24


def _size(quick: bool) -> dict[str, int]:
    size = {"dimension": 300, "runs": 4, "samples": 4000} if quick else {"dimension": 1000, "runs": 8, "samples": 5000}
    return {f"simulation.{key}": value for key, value in size.items()}


def _ring(nodes: int) -> asy.Experiment:
    """c = 3 (cos θ, sin θ) with θ uniform on the circle, variance .2 around it, two tanh units."""
    angle = 2 * np.pi * np.arange(nodes) / nodes
    return asy.Experiment(
        target={
            "weights": [1 / nodes] * nodes,
            "centroids": (3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).tolist(),
            "eigenvalues": [[0.2]],
        },
        denoiser={
            "hidden_units": 2, "init": {"Theta": [[0.2, 0.05], [-0.05, 0.2]], "Q": [[0.2, 0.0], [0.0, 0.2]]},
        },
        training={"times": [0.6], "learning_rate": 0.1, "weight_decay": 0.1, "tau": 4.0},
        sampling={"step": 0.01, "stop": 0.9},
    )  # fmt: skip


def ring(quick: bool) -> Drawing:
    """A continuous latent manifold: clusters all along a circle."""
    experiment = _ring(NODES).replace(_size(quick))
    setting = (
        f"Latent variable uniform on a circle of radius 3, taken at {NODES} equidistant angles, variance 0.2 around it in all"
        " directions; two tied tanh units, one training time t = 0.6, eta = 0.1, weight decay 0.1; sampler without noise"
        " to t = 0.9. Two odd units know the square of signs of their fields: the circle is drawn with four corners."
    )
    drawing = along(experiment, [0.0, 0.8, 1.6, 4.0], setting, f"{PAPER}: targets on a continuous latent manifold")
    # Equidistant angles are the continuous measure: half as many give the same path.
    whole, half = (asy.solve(_ring(n), tolerance=1e-5)(4.0) for n in (NODES, NODES // 2))
    off = max(float(np.max(np.abs(getattr(whole, name) - getattr(half, name)))) for name in ("Q", "Theta", "b"))
    said = f"{drawing.closeness}; half as many angles move no order parameter by more than {off:.1e}"
    return replace(drawing, data=drawing.data | {"nodes_off": np.array(off)}, closeness=said)


def unequal(quick: bool) -> Drawing:
    """Heteroscedastic clusters: three variances in one target."""
    experiment = asy.example("three-clusters").replace(
        {"target.eigenvalues": [[0.2], [1.0], [2.5]], "training.tau": 3.0, "sampling.stop": 0.9} | _size(quick)
    )
    setting = (
        "Three clusters at (3, 0), (0, -3), (-3, 0) with variances 0.2, 1 and 2.5 in all directions and equal weights; two tied tanh"
        " units, one training time t = 0.7, eta = 0.1, weight decay 0.1; sampler without noise to t = 0.9."
    )
    return along(experiment, [0.3, 0.8, 1.6, 3.0], setting, f"{PAPER}: clusters with different covariances")


def _side_by_side(
    cases: Mapping[str, asy.Experiment], frame: float
) -> tuple[Film, dict[str, OrderParameterPath], str, dict[str, np.ndarray]]:
    """The densities that several experiments on one target end at, as the panels of one film; paths, closeness and its numbers."""
    paths = {name: asy.solve(e, tolerance=1e-4) for name, e in cases.items()}
    ends = [
        film(paths[name], started(e), [paths[name].tau_max], progress=False, frame=[[-frame, frame]] * 2,
             samples=e.problem.simulation.samples)
        for name, e in cases.items()
    ]  # fmt: skip
    shown = replace(
        ends[0], tau=np.concatenate([end.tau for end in ends]), theory=np.concatenate([end.theory for end in ends]),
        generated=np.concatenate([end.generated for end in ends if end.generated is not None], axis=1),
    )  # fmt: skip
    laws = [GeneratedDensity.from_path(path, path.problem) for path in paths.values()]
    said, near = closeness(shown, laws, list(cases))
    return shown, paths, said, numbers(shown) | near


def noisy_sampler(quick: bool) -> Drawing:
    """One network, four samplers: densities with ε > 0."""
    base = asy.example("three-clusters").replace({"sampling.stop": 0.95} | _size(quick))
    noises = {"0": "0", "alpha/4": r"\alpha/4", "alpha/2": r"\alpha/2", "alpha": r"\alpha"}
    cases = {f"epsilon = {noise}": base.replace({"sampling.epsilon": noise}) for noise in noises}
    shown, _, said, data = _side_by_side(cases, 8.0)
    figure, _ = draw_film(shown, titles=[rf"$\varepsilon = {written}$" for written in noises.values()])
    simulation = base.problem.simulation
    caption = (
        "What one network generates with noise epsilon in the sampler, dX = (y0 + ...) dt + sqrt(2 epsilon) dW, alpha = 1 - t: two tied"
        f" tanh units on three clusters of unit variance after tau = {base.problem.training.tau:g} (the example three-clusters), sampler"
        f" stopped at t = 0.95. {READING} {simulation.runs} trainings in d = {simulation.dimension}, {simulation.samples} points of each."
    )
    return Drawing(figure, caption, f"{PAPER}: samplers with noise", data, cases["epsilon = alpha"].to_table(), said)


def predictions(quick: bool) -> Drawing:
    """Networks that predict the data, the noise, or the velocity, side by side."""
    base = asy.example("three-clusters").replace(
        {"training.times": [0.3, 0.5, 0.7], "training.tau": 3.0, "sampling.start": 0.05, "sampling.stop": 0.9}
        | _size(quick)
    )
    cases = {kind: base.replace({"denoiser.predicts": kind}) for kind in ("data", "noise", "velocity")}
    shown, paths, said, data = _side_by_side(cases, 6.5)
    off, verdicts = [], []
    with style() as plt:
        figure, grid = plt.subplots(2, 3, figsize=(7.0, 4.6), layout="constrained")
        for k, (kind, path) in enumerate(paths.items()):
            runs = asy.simulate(cases[kind].replace({"simulation.samples": 500}), progress=False)
            verdicts.append(asy.compare(path, runs))
            tau = np.linspace(0, path.tau_max, 101)
            for n, (label, name, index) in enumerate(
                ((r"$Q_{11}$", "Q", (0, 0)), (r"$\Theta_{11}$", "Theta", (0, 0)), ("$b$", "b", ()))
            ):
                pick: Any = (slice(None), *index)
                line, mean, sem = getattr(path(tau), name)[pick], runs.mean(name)[pick], runs.sem(name)[pick]
                grid[0, k].plot(tau, line, color=COLOURS[n], label=label)
                points(grid[0, k], runs.tau, mean, sem, color=COLOURS[n])
                data |= {f"{kind}_{name}": line, f"{kind}_{name}_mean": mean, f"{kind}_{name}_sem": sem}
                off.append(float(np.max(np.abs(mean - getattr(path(runs.tau.clip(max=path.tau_max)), name)[pick]))))
            grid[0, k].set(title=f"predicts the {kind}", xlabel=r"training time $\tau = 2\eta n/d$")
            picture = draw_frame(shown, k, grid[1, k])
            grid[1, k].set(title="", xlabel=r"$u_1\cdot x$")
        grid[0, 0].set_ylabel("order parameters")
        grid[1, 0].set_ylabel(r"$u_2\cdot x$")
        name_kinds(grid[0, 0], line="theory", point="experiment")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
        density_legend(figure, "outside lower center")
        figure.colorbar(picture, ax=list(grid[1]), pad=0.01, aspect=18, label="density / largest of theory")
    data |= {"order_off": np.array(off), "agree": np.array([verdict.passed for verdict in verdicts], dtype=float)}
    simulation = base.problem.simulation
    caption = (
        "One target, three things for the network to predict: X1, X0, or the velocity of the interpolant (three clusters of unit"
        " variance, two tied tanh units, training times t = 0.3, 0.5, 0.7, eta = 0.1, weight decay 0.1; sampler without noise from t ="
        " 0.05, where the noise alone says nothing, to 0.9). Above: norm Q of a unit's weights, their overlap Theta with the first"
        " reference direction and the skip connection b; lines theory, points mean and standard error (smaller than the mark where not"
        f" seen). Below: what is generated in the end. {READING} {simulation.runs} trainings in d = {simulation.dimension},"
        f" {simulation.samples} points of each."
    )
    agree = ", ".join(
        f"{verdict.count} numbers {'agree' if verdict.passed else 'disagree'} ({kind})"
        for kind, verdict in zip(cases, verdicts, strict=True)
    )
    said = f"means extrapolated in 1/d: {agree}; in d = {simulation.dimension} the order parameters lie within {max(off):.2f}; {said}"
    return Drawing(figure, caption, f"{PAPER}: other parametrisations of the denoiser", data, base.to_table(), said)


FIGURES: Figures = {
    "latent-ring": ring,
    "unequal-clusters": unequal,
    "noisy-sampler": noisy_sampler,
    "predictions": predictions,
}
