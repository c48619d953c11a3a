"""Pictures of spectra and interpolants."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..output.plotting import COLOURS, draw, panel
from .interpolants import Interpolant
from .laws.spectra import Spectrum


@draw.register(Spectrum)
@panel(figsize=(3.4, 2.7))
def _(spectrum: Spectrum, axis: Axes) -> None:
    """Eigenvalues against rank, both logarithmic (zeros left out)."""
    axis.plot(np.arange(1, spectrum.rank + 1), spectrum.eigenvalues[: spectrum.rank], ".-", ms=3, color=COLOURS[0])
    axis.set(xscale="log", yscale="log", xlabel=r"rank $\nu$", ylabel=r"eigenvalue $\lambda_\nu$", title=spectrum.name)


@draw.register(Interpolant)
@panel(figsize=(3.4, 2.8))
def _(interpolant: Interpolant, axis: Axes) -> None:
    """α_t and β_t against t."""
    t = np.linspace(0.0, 1.0, 201)
    axis.plot(t, interpolant.alpha(t), color=COLOURS[0], label=r"$\alpha_t$")
    axis.plot(t, interpolant.beta(t), color=COLOURS[1], label=r"$\beta_t$")
    axis.set_xlabel("$t$")
    axis.legend()
