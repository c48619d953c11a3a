"""Every figure draws: theory lines, points with error bars where there is a simulation, finite data."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures.linear_diffusion.gaussian import FIGURES

QUICK = ("linear-spectra",)
PURE_THEORY = ("linear-spectra",)


def check(name):
    drawing = FIGURES[name](True)
    axes = drawing.figure.axes
    assert any(line.get_xdata().size > 10 for ax in axes for line in ax.get_lines())
    assert any(ax.containers for ax in axes) == (name not in PURE_THEORY)
    assert "arXiv 2505.24769" in drawing.source
    assert len(drawing.caption) > 80
    for key, values in drawing.data.items():
        assert np.isfinite(values).any(), key
    plt.close(drawing.figure)


@pytest.mark.parametrize("name", QUICK)
def test_quick_figures(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FIGURES) - set(QUICK)))
def test_other_figures(name):
    check(name)
