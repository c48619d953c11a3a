"""Figures of optimal protocols: learning rates and diffusion times along the training, over the best constant ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import asymptotics as asy
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures

SOURCE = (
    "the control problem of F. Mignacco and F. Mori, arXiv 2507.07907, for the equations of H. Cui, C. Pehlevan, Y. M. Lu,"
    " arXiv 2501.03937; computed here"
)


def _steps(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values (pieces, entries) of the optimal control, and its knots in n/d."""
    values = np.asarray(found.optimum.control, dtype=np.float64)
    return values.reshape(len(values), -1), np.asarray(found.optimum.knots)


def _table(knots: np.ndarray, values: np.ndarray) -> list[list[Any]]:
    """A table along tau that jumps at the knots."""
    rows: list[list[Any]] = [["tau", *(f"value_{k}" for k in range(values.shape[1]))]]
    for left, right, value in zip(knots[:-1], knots[1:], values, strict=True):
        rows += [[float(left), *map(float, value)], [float(right), *map(float, value)]]
    return rows


def _gain(found: Any) -> str:
    """How near the gain in R^d is to that of theory."""
    theory = found.constant.value - found.optimum.value
    constant, best = found.simulated.constant, found.simulated.optimum
    error = np.hypot(constant.sem, best.sem)
    return f"gain {theory:.5f} by theory, {constant.mean - best.mean:.5f} ± {error:.5f} in R^d"


def _ends(axis: Axes, found: Any, x: float) -> None:
    """What both protocols end at in R^d."""
    for k, name in enumerate(("constant", "optimum")):
        got = getattr(found.simulated, name)
        points(axis, np.array([x]), np.array([got.mean]), np.array([got.sem]), color=COLOURS[k])


def learning_rate(quick: bool) -> Drawing:
    """The optimal learning rate of the reference example over the best constant one, and what it gains."""
    size = {"dimension": 300, "runs": 4} if quick else {"dimension": 2000, "runs": 16}
    exp = asy.example("three-clusters").replace(simulation=size)
    found = asy.optimise(
        exp,
        "order_one",
        {"training.learning_rate": (0.0, 2.0, 16 if quick else 60)},
        starts=2 if quick else 5,
        progress=False,
    )
    values, knots = _steps(found)
    eta = exp.problem.training.learning_rate
    constant = found.constant.control
    clock = 2 * eta * knots
    paths = {
        "constant": asy.solve(exp.replace({"training.schedule": f"{constant / eta!r}"})),
        "optimum": asy.solve(exp.replace({"training.schedule": _table(clock, values / eta)})),
    }
    samples = np.linspace(0, found.horizon, 201)
    data = {"knots": knots, "learning_rate": values[:, 0], "constant": np.array([constant]), "samples": samples}
    with style():
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.8), layout="constrained")
        axes[0].axhline(constant, color=COLOURS[0], label="best constant")
        axes[0].stairs(values[:, 0], knots, baseline=None, color=COLOURS[1], label="optimum")
        axes[0].set(xlabel="$n/d$", ylabel=r"learning rate $\eta$", yscale="log")
        axes[0].legend()
        for k, (name, path) in enumerate(paths.items()):
            loss = path.loss_order_one(np.minimum(2 * eta * samples, path.tau_max))
            data[f"loss_{name}"] = loss
            axes[1].plot(samples, loss, color=COLOURS[k])
            got = getattr(found.simulated, name)
            data[f"simulated_{name}"] = np.array([got.mean, got.sem])
        _ends(axes[1], found, found.horizon)
        axes[1].set(xlabel="$n/d$", ylabel="denoising loss of order one", yscale="log")
    return Drawing(
        figure,
        f"Left: learning rate that makes the denoising loss of order one least after n/d = {found.horizon:g}, over the best"
        f" constant one (η = {constant:.4f}); the optimum lies {100 * found.gain:.2f} % below it. Right: that loss along both"
        f" trainings; points: the same protocols in R^d, {size['runs']} runs at d = {size['dimension']}.",
        SOURCE,
        data,
        exp.to_table(),
        _gain(found),
    )


def curriculum(quick: bool) -> Drawing:
    """Which diffusion times to train on, and when: noise level of a linear network, probabilities of a tanh network."""
    size = {"dimension": 300, "runs": 4} if quick else {"dimension": 2000, "runs": 16}
    level = _noise_level(0.3, size, 24 if quick else 120)
    exp = asy.example("three-clusters").replace(
        {"training.times": [0.2, 0.5, 0.8], "training.average": "random"}, simulation=size
    )
    found = asy.optimise(
        exp, "order_one", {"training.time_probabilities": (0.0, 1.0, 10 if quick else 40)}, at=[0.5],
        starts=1 if quick else 3, progress=False,
    )  # fmt: skip
    data: dict[str, np.ndarray] = {}
    with style():
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.8), layout="constrained")
        values, knots = _steps(level)
        data |= {"noise_level": 1 - values[:, 0], "noise_level_knots": knots}
        axes[0].axhline(1 - level.constant.control, color=COLOURS[0], label="best constant")
        axes[0].stairs(1 - values[:, 0], knots, baseline=None, color=COLOURS[1], label="optimum")
        axes[0].set(xlabel="$n/d$", ylabel=r"noise level $\Delta = 1 - t$")
        axes[0].legend()
        values, knots = _steps(found)
        data |= {"probabilities": values, "probabilities_knots": knots}
        for k, t in enumerate((0.2, 0.5, 0.8)):
            axes[1].stairs(values[:, k], knots, baseline=None, color=COLOURS[k], label=f"$t = {t}$")
            axes[1].axhline(found.constant.control[k], color=COLOURS[k], linestyle="--", linewidth=0.8)
        axes[1].set(xlabel="$n/d$", ylabel="probability of the time")
        axes[1].legend(loc="center left")
    switch = ", ".join(f"{x:.2f}" for x in knots[1:-1])
    return Drawing(
        figure,
        f"Left: noise level to train a tied linear network on (Mignacco and Mori's problem) for the loss at Δ = .3;"
        f" {100 * level.gain:.3f} % below the best constant level. Right: probabilities of three diffusion times for the loss at"
        f" t = .5 of the three clusters, best constant ones dashed: the optimum is bang-bang (switch at n/d = {switch}),"
        f" {100 * found.gain:.2f} % below the best constant. Both protocols were carried out in R^d, {size['runs']} runs at"
        f" d = {size['dimension']}.",
        SOURCE,
        data,
        exp.to_table(),
        f"noise level: {_gain(level)}; probabilities: {_gain(found)}",
    )


def _noise_level(error: float, size: dict[str, int], pieces: int) -> Any:
    """The published problem: noise level along the training of a tied linear network with two units."""
    theta: Sequence[Any] = [[0.116489636115697, -0.005180891113466], [0.028851354511359, 0.103869308837164]]
    T = [[0.947122419564553, 0.031274890028714], [0.031274890028714, 0.990020760211375]]
    exp = asy.Experiment(
        target={"centroids": [[1.0, 0.0], [0.0, 1.0]], "eigenvalues": [[0.01]], "reference_overlaps": [T]},
        interpolant={"alpha": "sqrt(1 - t)", "beta": "sqrt(t)"},
        denoiser={
            "architecture": "linear", "hidden_units": 2,
            "init": {"Theta": theta, "Q": [[0.25, 0.00288941033748], [0.00288941033748, 0.25]]},
        },
        training={"times": [1 - error], "learning_rate": 2.5, "tau": 4.0},
        simulation=size,
    )  # fmt: skip
    return asy.optimise(exp, "potential", {"training.times": (0.01, 0.99, pieces)}, starts=1, progress=False)


FIGURES: Figures = {"optimal-learning-rate": learning_rate, "curriculum": curriculum}
