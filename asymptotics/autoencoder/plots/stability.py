"""Fixed points, escape times and typical runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ...common.output.plotting import COLOURS, draw, panel
from ..stability.leaving.escape import Escape
from ..stability.leaving.typical import Typical
from ..stability.points.fixed_points import FixedPoints
from ..stability.points.spectrum import Spectrum
from ..stability.points.vanishing import Vanishing
from .axes import TAU


@draw.register
@panel()
def fixed_points(result: FixedPoints, axis: Axes) -> None:
    """Largest growth rate of every fixed point against its potential: filled where it is stable; beside it its unstable directions."""
    for k, point in enumerate(result):
        stable = point.kind == "stable"
        axis.plot(
            result.potential[k], point.rate, "o", ms=5, color=COLOURS[0 if stable else 1],
            mfc=COLOURS[0] if stable else "white",
        )  # fmt: skip
        axis.annotate(
            str(point.unstable),
            (result.potential[k], point.rate),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=7,
        )
    axis.axhline(0.0, color="0.4", lw=0.8)
    axis.set_xlabel(r"potential $E[\ell]$")
    axis.set_ylabel(r"largest growth rate per $\tau$")
    axis.set_title(f"{len(result)} fixed points (number: unstable directions)")


@draw.register
@panel()
def escape(result: Escape, axis: Axes) -> None:
    """Share of runs that have left the saddle against τ: the law as a line, measured runs as steps."""
    axis.plot(result.quantiles, result.levels, color=COLOURS[0], label="theory")
    for k, name in enumerate(("chain", "simulation")):
        times = np.sort(getattr(result, name))
        if len(times):
            axis.step(times, (np.arange(len(times)) + 1) / len(times), where="post", color=COLOURS[1 + k], label=name)
    axis.axvline(result.mean, color=COLOURS[0], ls=":", lw=1)
    axis.set_xlabel(TAU)
    axis.set_ylabel("share of runs that have escaped")
    axis.set_title(rf"$d = {result.dimension}$, $\gamma = {result.rate:.4g}$")
    axis.legend()


@draw.register
@panel()
def typical(result: Typical, axis: Axes) -> None:
    """|Θ| in every direction and tr Q of typical runs against τ: median and the middle 80 % of runs."""
    for k, (label, (low, middle, high)) in enumerate(bands(result).items()):
        axis.plot(result.tau, middle, color=COLOURS[k % len(COLOURS)], label=label)
        axis.fill_between(result.tau, low, high, color=COLOURS[k % len(COLOURS)], alpha=0.2, linewidth=0)
    axis.set_xlabel(TAU)
    axis.set_ylabel("order parameters of one run")
    axis.set_title(rf"typical runs, $d = {result.dimension}$: median, 10 to 90 %")
    axis.legend()


def bands(result: Typical) -> dict[str, np.ndarray]:
    """10, 50 and 90 % of one run's |Θ| by direction and tr Q, (3, times) by label."""
    p, K = result.Theta.shape[-2:]
    runs, i, j = result.sample(), *np.triu_indices(p)
    theta = np.linalg.norm(runs[..., : p * K].reshape(*runs.shape[:2], p, K), axis=2)
    trace = runs[..., p * K : p * K + len(i)][..., i == j].sum(axis=-1)
    shown = {rf"$|\Theta_{{\cdot {k + 1}}}|$": theta[..., k] for k in range(min(K, 3))} | {r"$\mathrm{tr}\,Q$": trace}
    return {label: np.quantile(values, (0.1, 0.5, 0.9), axis=0) for label, values in shown.items()}


@draw.register
@panel()
def spectrum(result: Spectrum, axis: Axes) -> None:
    """Growth rates and frequencies in the complex plane; right of the line deviations grow."""
    grows = result.eigenvalues.real > 0
    for chosen, colour in ((grows, COLOURS[1]), (~grows, COLOURS[0])):
        axis.plot(result.eigenvalues.real[chosen], result.eigenvalues.imag[chosen], "o", ms=4.5, color=colour)
    axis.axvline(0.0, color="0.4", lw=0.8)
    axis.set_xlabel(r"growth rate per $\tau$")
    axis.set_ylabel("frequency")
    axis.set_title(f"fastest along {', '.join(result.direction)}")


@draw.register
@panel()
def vanishing(result: Vanishing, axis: Axes) -> None:
    """dΘ/dτ at small Θ along every reference direction: the bulk's rate and the leading term."""
    theta = np.linspace(0.0, 0.3, 61)
    for k, power in enumerate(result.power):
        drift = result.bulk_rate[k] * theta + result.coefficient[k] * theta ** float(power)
        axis.plot(theta, drift, color=COLOURS[k % len(COLOURS)], label=rf"direction {k + 1}: power {power}")
    axis.axhline(0.0, color="0.4", lw=0.8)
    axis.set_xlabel(r"$\Theta$")
    axis.set_ylabel(r"$d\Theta/d\tau$, leading terms")
    axis.legend()
