"""The figures draw what the theory says, with the experiment's error bars on it."""

from __future__ import annotations

import numpy as np
import pytest

from figures.base import Drawing
from figures.mixture_flow.samples import FIGURES


@pytest.fixture(autouse=True)
def agg():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.mark.parametrize("name", ["mixture-path", "mixture-error", "mixture-plane", "mixture-convergence"])
@pytest.mark.ci
def test_quick_figures(name):
    check(FIGURES[name](True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixture-spread", "mixture-sweeps"])
def test_slower_figures(name):
    check(FIGURES[name](True))


def check(drawing):
    assert isinstance(drawing, Drawing)
    assert drawing.caption and drawing.closeness and "2310.03575" in drawing.source
    assert all(np.all(np.isfinite(values)) for values in drawing.data.values())
    means = [name for name in drawing.data if name.endswith("_mean")]
    for name in means:
        sem = drawing.data[name.replace("_mean", "_sem")]
        assert sem.shape == drawing.data[name].shape and np.all(sem >= 0)
    assert means or "generated" in drawing.data or "n_runs" in drawing.data
