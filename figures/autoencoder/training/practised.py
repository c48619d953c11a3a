"""Figures of denoisers and training as they are practised: averages of the weights, weights of the loss, guidance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import GeneratedDensity, OrderParameterPath, Problem
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures, mean_and_error

SETTING = "setting of Cui, Pehlevan, Lu, arXiv 2501.03937; the quantity is not in it"
#: Levels at which quantile functions are compared: W₂² = ∫ (q − q′)².
LEVELS = (np.arange(400) + 0.5) / 400


def _target_quantiles(problem: Problem) -> np.ndarray:
    """Quantile function of the target along its one reference direction."""
    from scipy.stats import norm

    target = problem.target
    width = np.sqrt(target.cluster_eigenvalues[:, 0])
    reach = float(np.max(np.abs(target.centroids)) + 8 * width.max())
    x = np.linspace(-reach, reach, 40_001)
    below = norm.cdf((x[:, None] - target.centroids[:, 0]) / width) @ target.weights
    return np.asarray(np.interp(LEVELS, below, x))


def _distance(quantiles: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((quantiles - wanted) ** 2)))


def _theory(e: asy.Experiment, path: OrderParameterPath, tau: float | None = None) -> float:
    """W₂ between target and generated density along the one reference direction."""
    law = GeneratedDensity.from_path(path, e.problem, tau)
    return _distance(law.quantiles(LEVELS)[:, 0], _target_quantiles(e.problem))


def _runs(e: asy.Experiment, tau: float | None = None) -> tuple[float, float]:
    """The same of trainings in R^d: mean and standard error."""
    wanted, end = _target_quantiles(e.problem), e if tau is None else e.replace({"training.tau": tau})
    runs = asy.simulate(end, companion=False, progress=False, tau=[end.problem.training.tau])
    found = [_distance(np.quantile(x[:, 0], LEVELS), wanted) for x in runs.generated]
    mean, error = mean_and_error(found)
    return float(mean), float(error)


def _closeness(theory: Sequence[float], mean: Sequence[float], error: Sequence[float]) -> str:
    z = (np.asarray(mean) - np.asarray(theory)) / np.asarray(error)
    return (
        f"{z.size} points of the experiment, at finite d and with finitely many samples: root mean square"
        f" {np.sqrt(np.mean(z**2)):.2f}, at most {np.abs(z).max():.1f} standard errors from theory"
    )


def _conditioned(variance: float) -> dict[str, str | list[str]]:
    """A network that knows the time: c_skip x + c_out F(c_in x) for a target of this variance."""
    total = f"(alpha**2 + {variance}*beta**2)"
    return {
        "skip_fixed": f"{variance}*beta/{total}", "skip_basis": [], "input_scale": f"1/sqrt({total})",
        "output_scale": f"alpha/sqrt({total})",
    }  # fmt: skip


def averages(quick: bool) -> Drawing:
    """Live network and averages of its weights along τ; the distance to the target against the rate of the average."""
    gammas = [float(x) for x in np.geomspace(0.3, 30, 7 if quick else 15).round(4)]
    some = gammas[::3] if quick else gammas[::2]
    e = asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[1.5], [-1.5]], "eigenvalues": [[0.3]]},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.3}, **_conditioned(0.3)},
        training={
            "times": [0.3, 0.5, 0.7, 0.9], "average": "random", "weights": "(alpha**2 + 0.3*beta**2)/alpha**2",
            "learning_rate": 2.0, "tau": 6.0, "ema": gammas,
        },
        sampling={"stop": 0.99, "step": 0.01},
        simulation={"dimension": 400 if quick else 2000, "runs": 6 if quick else 16, "samples": 2000},
    )  # fmt: skip
    path = asy.solve(e, tolerance=1e-4)
    shown = e.replace({"training.ema": 1.0})
    along = asy.solve(shown, tolerance=1e-4)
    runs = asy.simulate(shown, companion=False, progress=False, tau=np.linspace(0, 6, 7))
    tau, of = np.linspace(0, 6, 201), runs.to_json()
    data: dict[str, np.ndarray] = {
        "tau": tau,
        "tau_runs": runs.tau,
        "gamma": np.array(gammas),
        "gamma_runs": np.array(some),
    }
    theory: list[float] = []
    mean: list[float] = []
    error: list[float] = []
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1), layout="constrained")
        at = along(tau)
        average = at.averages[0].network
        for k, (name, label) in enumerate((("Theta", r"$\Theta$"), ("Q", "$Q$"))):
            for network, kept, dash, fill, who in (
                (at, "", "-", COLOURS[k], "live"),
                (average, "ema", "--", "w", "average"),
            ):
                line = getattr(network, name)[:, 0, 0]
                left.plot(tau, line, dash, color=COLOURS[k], label=f"{label}, {who}")
                part = [of[s] if not kept else of[s][kept] for s in ("mean", "sem")]
                m, s = (np.array(x[name])[:, 0, 0] for x in part)
                points(left, runs.tau, m, s, color=COLOURS[k], mfc=fill)
                data |= {f"{name}_{who}": line, f"{name}_{who}_mean": m, f"{name}_{who}_sem": s}
        for k, end in enumerate((3.0, 6.0)):
            network = [e.replace({"sampling.network": name}) for name in ("live", *(f"ema:{g!r}" for g in gammas))]
            line = [_theory(x, path, end) for x in network]
            right.plot(gammas, line[1:], color=COLOURS[k], label=rf"average, $\tau = {end:g}$")
            right.axhline(line[0], color=COLOURS[k], ls=":", label=rf"live, $\tau = {end:g}$")
            found = [_runs(network[1 + gammas.index(g)], end) for g in some]
            m, s = np.array(found).T
            points(right, some, m, s, color=COLOURS[k])
            theory += [line[1 + gammas.index(g)] for g in some]
            mean, error = [*mean, *m], [*error, *s]
            data |= {f"distance_{end:g}": np.array(line), f"distance_{end:g}_mean": m, f"distance_{end:g}_sem": s}
        left.set(xlabel=r"$\tau$", ylabel="order parameters")
        right.set(xlabel=r"rate $\gamma$ of the average", ylabel="$W_2$ to the target", xscale="log")
        left.legend()
        right.legend()
        right.set_ylim(top=right.get_ylim()[1] + 0.25 * np.ptp(right.get_ylim()))
    best = {end: gammas[int(np.argmin(data[f"distance_{end:g}"][1:]))] for end in (3.0, 6.0)}
    caption = (
        "Two clusters, one hidden unit that knows the time, learning rate 2, no weight decay. Left: order parameters of the live"
        f" network and of the average of its weights at rate 1. Right: Wasserstein distance between target and generated density"
        f" against the rate; the best averages are those of rate {best[3.0]:.2g} at tau = 3 and {best[6.0]:.2g} at tau = 6. The"
        " setting was chosen to show the effect: at learning rate 1 no average that we tried beat the live network. All"
        f" averages come from one solve. Lines: theory; points: mean and standard error of {runs.runs} trainings in"
        f" d = {runs.dimension}."
    )
    return Drawing(figure, caption, SETTING, data, shown.to_table(), _closeness(theory, mean, error))


def loss_weights(quick: bool) -> Drawing:
    """The distance to the target against the weight of the loss, at a fixed number of samples per dimension."""
    base = asy.Experiment(
        target={"weights": [0.6, 0.4], "centroids": [[2.0], [-1.5]], "eigenvalues": [[0.5]]},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.2}},
        training={
            "times": [0.2, 0.4, 0.6, 0.8],
            "average": "random",
            "learning_rate": 0.2,
            "weight_decay": 0.1,
            "tau": 2.0,
        },
        sampling={"stop": 0.9, "step": 0.01},
        simulation={"dimension": 400 if quick else 2000, "runs": 6 if quick else 16, "samples": 2000},
    )
    fine, some = (
        np.linspace(-1.5, 2.0, 8 if quick else 29),
        np.array([-1.0, 0.5, 2.0] if quick else [-1.0, 0.0, 1.0, 2.0]),
    )
    data: dict[str, np.ndarray] = {"exponent": fine, "exponent_runs": some}
    theory: list[float] = []
    mean: list[float] = []
    error: list[float] = []
    best: list[str] = []

    def weighted(k: float, samples: float) -> asy.Experiment:
        weights = f"(beta/alpha)**({float(k)!r})"
        return base.replace({"training.weights": weights, "training.tau": 2 * 0.2 * samples})

    with style() as plt:
        figure, axis = plt.subplots(figsize=(4.4, 3.3), layout="constrained")
        for c, samples in enumerate((2.5, 5.0, 20.0)):
            line = [_theory(e, asy.solve(e, tolerance=1e-4)) for e in (weighted(k, samples) for k in fine)]
            axis.plot(fine, line, color=COLOURS[c], label=f"$n/d = {samples:g}$")
            m, s = np.array([_runs(weighted(k, samples)) for k in some]).T
            points(axis, some, m, s, color=COLOURS[c])
            theory += [_theory(e, asy.solve(e, tolerance=1e-4)) for e in (weighted(k, samples) for k in some)]
            mean, error = [*mean, *m], [*error, *s]
            best.append(f"{fine[int(np.argmin(line))]:.2g} at n/d = {samples:g}")
            data |= {
                f"distance_{samples:g}": np.array(line),
                f"distance_{samples:g}_mean": m,
                f"distance_{samples:g}_sem": s,
            }
        axis.set(xlabel=r"exponent $k$ of the weight $(\beta/\alpha)^k$", ylabel="$W_2$ to the target")
        axis.legend()
    caption = (
        "Wasserstein distance between target and generated density against the weight of the loss, w(t) = (beta/alpha)^k, at fixed"
        f" numbers of samples per dimension: the best exponents are {', '.join(best)}. One random time a step out of .2, .4, .6,"
        f" .8. Lines: theory; points: mean and standard error of {base.problem.simulation.runs} trainings in"
        f" d = {base.problem.simulation.dimension}."
    )
    return Drawing(figure, caption, SETTING, data, base.to_table(), _closeness(theory, mean, error))


def guidance(quick: bool) -> Drawing:
    """Mean and spread of what a guided network generates, against the weight of the guidance."""
    size = {"dimension": 400 if quick else 2000, "runs": 6 if quick else 16, "samples": 2000}
    target = {"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]], "eigenvalues": [[0.6]], "labels": [0, 1]}
    training = {"times": [0.6], "learning_rate": 0.2, "weight_decay": 0.1, "tau": 3.0, "label_dropout": 0.2}
    overlaps = [[0.3], [-0.3], [0.05], [0.3]]
    gram = 0.3 * np.eye(4) + np.array(overlaps) @ np.array(overlaps).T
    networks = {
        "biases": {"architecture": "labelled_bias", "activation": "sigmoid", "init": {"Theta": [[0.3]], "Q": [[0.4]]}},
        "decoders": {
            "architecture": "labelled_decoder",
            "activation": "sigmoid",
            "init": {"Theta": overlaps, "Q": gram.tolist()},
        },
    }
    fine, some = (
        np.linspace(0, 3, 7 if quick else 25),
        np.array([0.0, 1.5, 3.0] if quick else [0.0, 0.75, 1.5, 2.25, 3.0]),
    )
    data: dict[str, np.ndarray] = {"omega": fine, "omega_runs": some}
    theory: list[float] = []
    mean: list[float] = []
    error: list[float] = []
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.1), layout="constrained")
        for k, (name, denoiser) in enumerate(networks.items()):
            e = asy.Experiment(
                target=target, denoiser=denoiser, training=training, simulation=size, sampling={"stop": 0.9, "label": 0}
            )
            path = asy.solve(e, tolerance=1e-5)

            def law(omega: float, e: asy.Experiment = e, path: OrderParameterPath = path) -> tuple[float, float]:
                problem = e.replace({"sampling.guidance": float(omega)}).problem
                m, c = GeneratedDensity.from_path(path, problem).moments()
                return float(m[0]), float(np.sqrt(c[0, 0]))

            lines, exact = np.array([law(x) for x in fine]).T, np.array([law(x) for x in some]).T
            seen = []
            for omega in some:
                runs = asy.simulate(
                    e.replace({"sampling.guidance": float(omega)}), companion=False, progress=False, tau=[3.0]
                )
                x = runs.generated[..., 0]
                seen.append([*mean_and_error(x.mean(axis=1)), *mean_and_error(x.std(axis=1, ddof=1))])
            found = np.array(seen).reshape(-1, 2, 2)
            for i, (axis, quantity) in enumerate(zip(axes, ("mean", "std"), strict=True)):
                axis.plot(fine, lines[i], color=COLOURS[k], label=f"{name} for each label")
                points(axis, some, found[:, i, 0], found[:, i, 1], color=COLOURS[k])
                theory += exact[i].tolist()
                mean, error = [*mean, *found[:, i, 0]], [*error, *found[:, i, 1]]
                data |= {f"{name}_{quantity}": lines[i], f"{name}_{quantity}_mean": found[:, i, 0]}
                data |= {f"{name}_{quantity}_sem": found[:, i, 1]}
        for axis, of, level in ((axes[0], "mean", 2.0), (axes[1], "standard deviation", np.sqrt(0.6))):
            axis.axhline(level, color="0.6", lw=0.8)
            axis.set(xlabel=r"guidance $\omega$", ylabel=f"{of} of label 0")
        axes[0].legend()
    caption = (
        "Two clusters with labels, dropped one time in five; samples of label 0, guided by omega. Left: the mean overshoots the"
        " cluster's (grey); right: its standard deviation. Biases of each label guide weakly, decoders of each label strongly."
        f" Lines: theory; points: mean and standard error of {size['runs']} trainings in d = {size['dimension']}."
    )
    return Drawing(figure, caption, SETTING, data, e.to_table(), _closeness(theory, mean, error))


FIGURES: Figures = {"averaged-weights": averages, "loss-weights": loss_weights, "guidance": guidance}
