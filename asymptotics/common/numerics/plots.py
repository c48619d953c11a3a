"""Pictures of spectra and interpolants."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..output.plotting import COLOURS, axes_of, draw, style
from .interpolants import Interpolant
from .laws.spectra import Spectrum


@draw.register(Spectrum)
def _(spectrum: Spectrum, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Eigenvalues against rank, both logarithmic (zeros left out)."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.7))
        axis.plot(np.arange(1, spectrum.rank + 1), spectrum.eigenvalues[: spectrum.rank], ".-", ms=3, color=COLOURS[0])
        axis.set(
            xscale="log", yscale="log", xlabel=r"rank $\nu$", ylabel=r"eigenvalue $\lambda_\nu$", title=spectrum.name
        )
        return figure, axis


@draw.register(Interpolant)
def _(interpolant: Interpolant, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """α_t and β_t against t."""
    with style():
        figure, axis = axes_of(ax, figsize=(3.4, 2.8))
        t = np.linspace(0.0, 1.0, 201)
        axis.plot(t, interpolant.alpha(t), color=COLOURS[0], label=r"$\alpha_t$")
        axis.plot(t, interpolant.beta(t), color=COLOURS[1], label=r"$\beta_t$")
        axis.set_xlabel("$t$")
        axis.legend()
        return figure, axis
