"""Figure of the flow learned from a handful of samples: its clusters beside the target's, in a plane, as n grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asymptotics import Interpolant
from asymptotics.mixture_flow import MixtureFlow, Ridge, TrainingSet, at
from asymptotics.tools import COLOURS, points, spawn, style

from ..base import Drawing, mean_and_error, name_kinds

PAPER = "Cui, Krzakala, Vanden-Eijnden, Zdeborová, arXiv 2310.03575"
LINEAR = Interpolant()


@dataclass(frozen=True)
class _Plane:
    """One training set in the plane of μ and of what of X̄ is orthogonal to it, coordinates divided by √d."""

    target: np.ndarray
    generated: np.ndarray
    mean: np.ndarray


def _in_the_plane(flow: MixtureFlow, dimension: int, count: int, seed: np.random.SeedSequence) -> _Plane:
    """Points of target and flow, and the mean of the generated cluster that s = sign(X̄·X) = 1 picks."""
    of_data, of_points = seed.spawn(2)
    sums = TrainingSet(flow, dimension, of_data).sums()
    ridge = Ridge.of(sums, flow.samples, flow.ridge)
    rng = np.random.default_rng(of_points)
    generated = ridge.flow_map(0.0, 1.0, rng.standard_normal((count, dimension)))
    labels = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    target = labels[:, None] * sums.centroid + flow.cluster_std * rng.standard_normal((count, dimension))
    first = sums.centroid / np.linalg.norm(sums.centroid)
    second = sums.data - (sums.data @ first) * first
    frame = np.stack([first, second / np.linalg.norm(second)]) / np.sqrt(dimension)
    seen = generated @ frame.T
    return _Plane(target @ frame.T, seen, np.mean(np.sign(generated @ sums.data)[:, None] * seen, axis=0))


def _along(flow: MixtureFlow) -> np.ndarray:
    """Direction of X̄ in the plane, d → ∞."""
    direction = np.array([np.sqrt(flow.samples) * flow.centroid_norm, flow.cluster_std])
    return np.asarray(direction / np.linalg.norm(direction))


def _centre(flow: MixtureFlow) -> np.ndarray:
    """Coordinates of μ̂ in the plane, d → ∞: M m along μ, √n σ Q_η orthogonal to it."""
    theory = at(flow, LINEAR, 1.0)
    return np.array([theory.M * flow.centroid_norm, np.sqrt(flow.samples) * flow.cluster_std * theory.Q_eta])


def plane(quick: bool) -> Drawing:
    """Generated samples beside the target in the plane of μ and X̄ for n = 4 … 64, and the centres against n."""
    from matplotlib.patches import Wedge

    sigma, ridge, d, repeats = 0.8, 0.3, 300, 12 if quick else 64
    shown = 250 if quick else 500
    counts = np.array([4, 8, 16, 32, 64])
    data: dict[str, np.ndarray] = {"n": counts}
    means, errors, expected = np.empty((5, 2)), np.empty((5, 2)), np.empty((5, 2))
    with style() as plt:
        figure, axes = plt.subplots(2, 3, figsize=(7.0, 3.3), layout="constrained")
        for k, (n, ax) in enumerate(zip(counts, axes.flat, strict=False)):
            flow = MixtureFlow(int(n), sigma, ridge)
            sets = [_in_the_plane(flow, d, shown, seed) for seed in spawn(int(n), repeats)]
            centre, along = _centre(flow), _along(flow)
            # The sign of X̄·X₀ picks the cluster, so that a cluster is half a Gaussian along X̄.
            spread = float(at(flow, LINEAR, 1.0).perp) / np.sqrt(d)
            expected[k] = centre + np.sqrt(2 / np.pi) * spread * along
            means[k], errors[k] = mean_and_error([one.mean for one in sets])
            for cloud, colour, label in (
                (sets[0].target, COLOURS[5], "target"),
                (sets[0].generated, COLOURS[1], "generated"),
            ):
                ax.plot(
                    *cloud.T,
                    ".",
                    color=colour,
                    markersize=2,
                    alpha=0.45,
                    markeredgewidth=0,
                    label=label,
                    rasterized=True,
                )
            angle = np.degrees(np.arctan2(along[1], along[0]))
            for side in (1, -1):
                ax.plot(
                    *(side * centre),
                    "x",
                    color="black",
                    markersize=5,
                    label=r"$\pm\hat\mu$, theory" if side > 0 else None,
                )
                ax.plot(side, 0, "+", color="black", markersize=7, label=r"$\pm\mu$" if side > 0 else None)
                turned = angle + (0 if side > 0 else 180)
                place = (float(side * centre[0]), float(side * centre[1]))
                ax.add_patch(Wedge(place, 2 * spread, turned - 90, turned + 90, fill=False, linewidth=0.8, zorder=3))
            ax.set(xlim=(-1.35, 1.35), ylim=(-0.6, 0.6), aspect="equal", title=f"$n = {n}$")
            ax.set(xticks=[-1, 0, 1], yticks=[-0.5, 0, 0.5])
            data |= {f"target_{n}": sets[0].target, f"generated_{n}": sets[0].generated}
        for ax in axes[:, 0]:
            ax.set_ylabel(r"along $\bar X_\perp$")
        for ax in (*axes[1, :2], axes[0, 2]):
            ax.set_xlabel(r"along $\mu$")
        axes[0, 0].legend(loc="center", markerscale=1.2, handletextpad=0.2, labelspacing=0.15)
        fine = np.geomspace(3, 90, 60)
        flows = [MixtureFlow(round(n), sigma, ridge) for n in np.unique(fine.round())]
        line, centres = np.array([f.samples for f in flows]), np.array([_centre(f) for f in flows])
        away = means - expected + np.array([_centre(MixtureFlow(int(n), sigma, ridge)) for n in counts])
        for k, label in enumerate((r"$\|\mu\| - \hat\mu_\parallel$", r"$\hat\mu_\perp$")):
            sign = (-1.0, 1.0)[k]
            axes[1, 2].plot(line, (1 - k) + sign * centres[:, k], color=COLOURS[(0, 2)[k]], label=label)
            points(axes[1, 2], counts, (1 - k) + sign * away[:, k], errors[:, k], color=COLOURS[(0, 2)[k]])
        name_kinds(axes[1, 2], line="theory", point=f"$d = {d}$")
        axes[1, 2].set(
            xscale="log", yscale="log", xlabel="samples $n$", title="distance of the centres, over $\\sqrt{d}$"
        )
        axes[1, 2].set_xticks(counts, [str(n) for n in counts])
        axes[1, 2].minorticks_off()
        axes[1, 2].set_ylim(1e-3, 20)
        axes[1, 2].legend(ncols=2, columnspacing=0.8, loc="upper center")
    z = (means - expected) / errors
    data |= {
        "centre_mean": means,
        "centre_sem": errors,
        "centre_expected": expected,
        "score": z,
        "samples_line": line,
        "centres": centres,
    }
    return Drawing(
        figure,
        f"(a)–(e) {shown} points of the target and {shown} generated by the flow learned from n = 4, 8, 16, 32, 64 samples, σ = {sigma},"
        f" λ = {ridge}, d = {d}, one training set each, in the plane of the centroid μ and of X̄_⊥, the part orthogonal to μ of"
        " X̄ = Σ s^μ x₁^μ; coordinates divided by √d. Crosses: centres ±μ̂ by the theory. Half discs: two standard deviations of"
        " what is spread around them, of relative order 1/√d; the sign of X̄·X₀ picks the cluster, so that a cluster is half a"
        " Gaussian along X̄. (f) What the centres are off by, along and orthogonal to μ: lines theory, points mean and standard"
        f" error of {repeats} training sets, less the theory's shift of half a Gaussian.",
        f"{PAPER}, generated clusters in the plane against n",
        data,
        {"mixture_flow": MixtureFlow(4, sigma, ridge).to_table(), "simulation": {"dimension": d, "samples": shown}},
        f"centres of the generated clusters, means of {repeats} training sets in d = {d}, from the theory with its half-Gaussian"
        f" shift: at most {np.abs(means - expected).max():.4f} (‖μ‖/√d = 1) and {np.abs(z).max():.1f} standard errors, root mean"
        f" square {np.sqrt(np.mean(z**2)):.2f} (10 numbers)",
    )
