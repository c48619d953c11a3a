"""Every figure draws: theory lines, points with error bars where there is a simulation, finite data."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures.linear_diffusion.gaussian import FIGURES

PURE_THEORY = ("linear-spectra",)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.ci if n == "linear-early-stopping" else pytest.mark.slow) for n in FIGURES],
)
def test_every_figure_draws(name):
    drawing = FIGURES[name](True)
    axes = drawing.figure.axes
    assert any(line.get_xdata().size > 10 for ax in axes for line in ax.get_lines())
    assert any(ax.containers for ax in axes) == (name not in PURE_THEORY)
    assert "arXiv 2505.24769" in drawing.source
    assert len(drawing.caption) > 80
    for key, values in drawing.data.items():
        assert np.isfinite(values).any(), key
    plt.close(drawing.figure)
