"""What is computed from order parameters: errors against noise, learning against τ, samples until a cluster is found."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ...common.output.plotting import COLOURS, draw, panel
from ..observables.errors import DenoisingError, SampleComplexity
from ..observables.learning_curves import LearningCurves
from ..observables.linear_network import ModeLearning
from ..observables.score_error import ScoreError
from .axes import TAU


@draw.register
@panel()
def learning_curves(curves: LearningCurves, axis: Axes) -> None:
    """Both distances to the target (solid) and the cosine of each centroid with the weights (dashed) against τ."""
    axis.plot(curves.tau, curves.sliced, color=COLOURS[0], label=r"sliced $W_2$")
    axis.plot(curves.tau, curves.mixture, color=COLOURS[1], label=r"mixture $W_2$")
    for c in range(curves.cosines.shape[1]):
        axis.plot(
            curves.tau, curves.cosines[:, c], "--", color=COLOURS[2 + c % 6], lw=1.0, label=rf"cosine, $c={c + 1}$"
        )
    axis.set_xlabel(TAU)
    axis.set_ylabel("distance to the target; cosine")
    axis.legend()


@draw.register
@panel()
def mode_learning(modes: ModeLearning, axis: Axes) -> None:
    """Strength ‖Θ_k‖² of every mode against τ; dots: where it escapes; dotted: its plateau when alone."""
    for k, value in enumerate(modes.eigenvalues):
        colour = COLOURS[k % len(COLOURS)]
        axis.plot(modes.tau, modes.strength[:, k], color=colour, label=rf"$\lambda_{{{k + 1}}}={value:.3g}$")
        axis.axhline(modes.plateau[k], color=colour, lw=0.8, ls=":")
        if np.isfinite(modes.escape[k]):
            axis.plot(modes.escape[k], modes.final[k] / 2, "o", ms=4, color=colour)
    axis.set_xlabel(TAU)
    axis.set_ylabel(r"strength $\|\Theta_k\|^2$")
    axis.legend()


@draw.register
@panel()
def denoising_error(error: DenoisingError, axis: Axes) -> None:
    """The two orders of the denoising error, per dimension and of order one, against the noise level t."""
    axis.plot(error.t, error.bulk, ".-", color=COLOURS[0], label="bulk (times $d$)")
    axis.plot(error.t, error.order_one, ".-", color=COLOURS[1], label="of order one")
    axis.set_xlabel("noise level $t$")
    axis.set_ylabel("denoising error")
    axis.legend()


@draw.register
@panel()
def score_error(error: ScoreError, axis: Axes) -> None:
    """Mean squared error of the score, and the exact score's mean square, against the noise level t."""
    axis.plot(error.t, error.error, ".-", color=COLOURS[0], label=r"$E\|\Pi\hat s_t - s_t\|^2$")
    axis.plot(error.t, error.norm, ".--", color=COLOURS[6], label=r"$E\|s_t\|^2$")
    axis.set_yscale("log")
    axis.set_xlabel("noise level $t$")
    axis.set_title(f"averaged over the {error.law}")
    axis.legend()


@draw.register
@panel(figsize=(3.4, 2.8))
def sample_complexity(result: SampleComplexity, axis: Axes) -> None:
    """A bar a cluster: samples per dimension at which it is found; a cross where it is not found on the path."""
    cluster = np.arange(1, len(result.samples) + 1)
    found = np.isfinite(result.samples)
    axis.bar(cluster[found], result.samples[found], width=0.6, color=COLOURS[0])
    axis.plot(cluster[~found], np.zeros(np.sum(~found)), "x", color=COLOURS[1], clip_on=False)
    axis.plot(cluster[found], result.samples[found], "o", ms=4, color=COLOURS[0], clip_on=False)
    axis.set_xticks(cluster)
    axis.set_ylim(0, 1.1 * float(np.max(result.samples[found], initial=0.0)) or 1.0)
    axis.set_xlabel("cluster")
    axis.set_ylabel(f"samples $n/d$ until the {result.measure} is {result.threshold:g}")
