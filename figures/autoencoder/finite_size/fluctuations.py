"""Figures of the finite-d error bars: fluctuations and bias against d, and a fan of runs inside the predicted band."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

import asymptotics as asy
from asymptotics import autoencoder
from asymptotics.tools import COLOURS, points, run_ensemble, spawn, style

from ...base import Drawing, Figures, mean_and_error

PAPER = "setting of Cui, Pehlevan, Lu, arXiv 2501.03937 (three clusters); finite-d theory not in the paper"
#: Order parameters shown: label, field, index, position among (Θ row by row, upper Q, b).
SHOWN = (
    (r"$\Theta_{11}$", "Theta", (0, 0), 0),
    (r"$\Theta_{12}$", "Theta", (0, 1), 1),
    (r"$Q_{11}$", "Q", (0, 0), 4),
    (r"$Q_{12}$", "Q", (0, 1), 5),
    ("$b$", "b", (), 7),
)


def _problem(tau: float) -> autoencoder.Problem:
    problem = asy.example("three-clusters").problem
    return dataclasses.replace(problem, training=problem.training.replace(tau=tau))


def _trained(seed: np.random.SeedSequence, problem: autoencoder.SgdProblem, taus: ArrayLike) -> autoencoder.TrainedRun:
    return autoencoder.train(problem, seed, taus)


def _full(problem: autoencoder.Problem, d: int, runs: int, taus: ArrayLike, seed: int) -> dict[str, np.ndarray]:
    """Full trainings in R^d: field → (runs, times, ...)."""
    found = run_ensemble(_trained, spawn(seed, runs), autoencoder.sgd_problem(problem, dimension=d), taus)
    return {name: np.stack([getattr(r, name) for r in found]) for name in ("Theta", "Q", "b")}


def _values(runs: autoencoder.Runs | dict[str, np.ndarray], field: str, index: tuple[int, ...]) -> np.ndarray:
    values: Any = runs[field] if isinstance(runs, dict) else getattr(runs, field)
    entry: Any = (slice(None), slice(None), *index)
    return np.asarray(values[entry])


def _deviation(values: np.ndarray) -> tuple[float, float]:
    """Standard deviation of a sample and its standard error (Gaussian)."""
    std = float(values.std(ddof=1))
    return std, std / np.sqrt(2 * (len(values) - 1))


def scaling(quick: bool) -> Drawing:
    """Standard deviations against d over six decades."""
    tau = 0.04
    problem = _problem(tau)
    f = autoencoder.fluctuations.fluctuations(autoencoder.solve(problem))
    dimensions = [10**k for k in (range(2, 6) if quick else range(2, 9))]
    counts = [200 if d <= 10**6 else (48 if d <= 10**7 else 12) for d in dimensions]
    chain = [
        autoencoder.reduced_chain.simulate(problem, dimension=d, runs=n, tau=[tau], seed=d)
        for d, n in zip(dimensions, counts, strict=True)
    ]
    full_dimensions = [50, 150, 500] if quick else [50, 150, 500, 1500, 5000]
    full = [_full(problem, d, 200, [tau], d + 1) for d in full_dimensions]
    data: dict[str, np.ndarray] = {"d_chain": np.array(dimensions), "d_full": np.array(full_dimensions)}
    scores: list[np.ndarray] = []
    grid = np.geomspace(40, 2 * dimensions[-1], 60)
    predicted = np.array([np.sqrt(np.diag(f.covariance(tau, d))) for d in grid])
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for k, (label, field, index, at) in enumerate(SHOWN):
            ax.loglog(grid, predicted[:, at], color=COLOURS[k], label=label)
            for name, ds, ensembles, marker in (
                ("chain", dimensions, chain, "o"),
                ("full", full_dimensions, full, "s"),
            ):
                found = np.array([_deviation(_values(r, field, index)[:, 0]) for r in ensembles])
                fill = COLOURS[k] if name == "chain" else "white"
                ax.errorbar(ds, found[:, 0], found[:, 1], fmt=marker, color=COLOURS[k], mfc=fill, markersize=4)
                data |= {f"{name}_{field}{''.join(map(str, index))}": found}
                expected = np.array([np.sqrt(f.covariance(tau, d)[at, at]) for d in ds])
                # In units of the error that the prediction itself implies: a sample's own is small where its value is.
                free = np.array([2 * (len(_values(r, field, index)) - 1) for r in ensembles])
                scores.append(np.stack([np.array(ds), (found[:, 0] / expected - 1) * np.sqrt(free)]))
        ax.set_xlabel("dimension $d$")
        ax.set_ylabel(rf"standard deviation at $\tau = {tau:g}$")
        ax.legend(ncols=2)
    at_d, score = np.concatenate(scores, axis=1)
    large = score[at_d >= 100]
    data |= {"d_line": grid, "predicted": predicted}
    return Drawing(
        figure,
        f"Fluctuations of the order parameters between runs at tau = {tau:g}, three clusters. Lines: linear noise approximation "
        f"(1/sqrt(d); 1/d for b). Filled points: exact reduced chain, {counts[0]} to {counts[-1]} runs. Open squares: full "
        "simulation in R^d, 200 runs. Bars: standard errors.",
        PAPER,
        data,
        problem.to_tables(),
        f"for d ≥ 100 a root mean square of {np.sqrt(np.mean(large**2)):.2f} and at most {np.abs(large).max():.1f} standard errors"
        f" from the prediction ({large.size} points); at d = 50, where the next order in 1/d shows, at most"
        f" {np.abs(score[at_d < 100]).max():.1f}",
    )


def gap(quick: bool) -> Drawing:
    """The mean's distance from the d → ∞ theory, times d."""
    tau, runs = 1.0, 400 if quick else 20_000
    problem = _problem(tau)
    path = autoencoder.solve(problem)
    dimensions = [50, 100, 200] if quick else [50, 100, 200, 400, 800]
    at = path(tau)
    m1 = autoencoder.bias(path, 1000)(tau) * 1000
    ensembles = [
        autoencoder.reduced_chain.simulate(problem, dimension=d, runs=runs, tau=[tau], seed=d) for d in dimensions
    ]
    data: dict[str, np.ndarray] = {"d": np.array(dimensions), "m1": m1}
    scores = []
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for k, (label, field, index, position) in enumerate(SHOWN):
            if index == (0, 1):
                continue
            theory = float(np.asarray(getattr(at, field))[index])
            values = [_values(r, field, index)[:, 0] for r in ensembles]
            rows = [mean_and_error(d * (v - theory)) for d, v in zip(dimensions, values, strict=True)]
            mean, sem = np.array(rows).T
            ax.axhline(m1[position], color=COLOURS[k], label=label)
            points(ax, dimensions, mean, sem, color=COLOURS[k])
            data |= {f"{field}{''.join(map(str, index))}": np.stack([mean, sem])}
            # The limit of the points at 1/d → 0, by a straight line in 1/d.
            line, covariance = np.polyfit(1 / np.array(dimensions), mean, 1, w=1 / sem, cov="unscaled")
            scores.append((line[1] - m1[position]) / np.sqrt(covariance[1, 1]))
        ax.set_xscale("log")
        ax.set_xticks(dimensions, [str(d) for d in dimensions])
        ax.minorticks_off()
        ax.set_xlabel("dimension $d$")
        ax.set_ylabel(r"$d$ × (mean − theory at $d \to \infty$), $\tau = 1$")
        ax.legend(ncols=3, loc="center", bbox_to_anchor=(0.5, 0.72))
    return Drawing(
        figure,
        f"Bias of the mean at tau = 1, times d. Lines: derived coefficient of 1/d. Points: exact reduced chain, {runs} runs each, "
        "with standard errors; what is left at small d is of order 1/d.",
        PAPER,
        data,
        problem.to_tables(),
        "the points, extrapolated to 1/d = 0 by a straight line, are"
        f" {', '.join(f'{s:+.1f}' for s in scores)} standard errors from the lines",
    )


def _band(
    ax: Axes,
    path: autoencoder.OrderParameterPath,
    d: int,
    shown: tuple[str, str, tuple[int, ...], int],
    tau: np.ndarray,
) -> tuple[Any, Any, Any]:
    """Band of the deviations from the limit; returns the limit, the predicted mean deviation and the standard deviation."""
    _, field, index, position = shown
    f, bias = autoencoder.fluctuations.fluctuations(path), autoencoder.bias(path, d)
    line = getattr(path(tau), field)[(slice(None), *index)]
    width = getattr(f.deviations(tau, d), field)[(slice(None), *index)]
    middle = np.array([bias(float(t))[position] for t in tau])
    for k, alpha in ((2, 0.15), (1, 0.25)):
        ax.fill_between(
            tau, middle - k * width, middle + k * width, color=COLOURS[0], alpha=alpha, linewidth=0,
            label=("one", "two")[k - 1] + " predicted std. dev.",
        )  # fmt: skip
    ax.plot(tau, middle, color=COLOURS[0], label="predicted mean")
    return line, middle, width


def fan(quick: bool) -> Drawing:
    """Deviations of single runs from the limit, inside the predicted band."""
    d, runs = 400, 12 if quick else 40
    problem = _problem(4.0)
    path = autoencoder.solve(problem)
    taus = np.linspace(0, 4.0, 41)
    full = _full(problem, d, runs, taus, 3)
    data: dict[str, np.ndarray] = {"tau": taus}
    inside, scores = [], []
    with style() as plt:
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.7), layout="constrained")
        for ax, shown in zip(axes, (SHOWN[2], SHOWN[1], SHOWN[3]), strict=True):
            label, field, index, _ = shown
            line, middle, width = _band(ax, path, d, shown, taus)
            away = _values(full, field, index) - line
            lines = ax.plot(taus, away.T, color=COLOURS[1], linewidth=0.4, alpha=0.6)
            lines[0].set_label("one training")
            mean, sem = mean_and_error(away)
            points(ax, taus[5::5], mean[5::5], sem[5::5], color="black", label="mean of the trainings")
            ax.set_xlabel(r"training time $\tau$")
            ax.set_title(f"{label} − theory at $d \\to \\infty$")
            inside.append(np.mean(np.abs(away - middle)[:, 1:] < width[1:]))
            # The spread of the trainings over the predicted one, in its standard error.
            spread = away[:, -1].std(ddof=1) / width[-1]
            scores.append((spread - 1) * np.sqrt(2 * (runs - 1)))
            key = f"{field}{''.join(map(str, index))}"
            data |= {key: away, f"mean_{key}": middle, f"std_{key}": width}
        axes[0].set_ylabel("deviation")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=5)
    data |= {"inside": np.array(inside), "spread_scores": np.array(scores)}
    return Drawing(
        figure,
        f"Deviations of {runs} trainings in R^d, d = {d}, from the theory at d → ∞ (three clusters, the example three-clusters): thin"
        " lines; black: their mean with its standard error. Blue: the deviation that theory itself predicts, its mean of order 1/d"
        " and bands of one and two standard deviations of a single run, of order 1/√d. Q is the Gram matrix of the two units'"
        " weights, Theta their overlaps with the reference directions.",
        PAPER,
        data,
        problem.to_tables(),
        f"share of points inside one standard deviation: {', '.join(f'{x:.2f}' for x in inside)} (Gaussian: 0.68); spread of the"
        f" trainings at the end over the predicted one: {', '.join(f'{z:+.1f}' for z in scores)} standard errors from 1",
    )


FIGURES: Figures = {"fluctuations-scaling": scaling, "fluctuations-gap": gap, "fluctuations-fan": fan}
