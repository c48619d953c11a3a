"""The auto-encoder's figures draw theory with the experiment's error bars on it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from figures.autoencoder.training import learning as autoencoder_learning
from figures.autoencoder.training import mnist_images
from figures.autoencoder.training import reference as autoencoder
from figures.base import Drawing

FIGURES = autoencoder.FIGURES | autoencoder_learning.FIGURES | mnist_images.FIGURES


@pytest.fixture(autouse=True)
def agg() -> Iterator[None]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def draw(name: str) -> Drawing:
    drawing = FIGURES[name](True)
    assert drawing.caption and drawing.closeness and "2501.03937" in drawing.source and drawing.experiment
    for key, value in drawing.data.items():
        assert np.all(np.isfinite(value)), key
        if key.endswith("_mean"):
            sem = drawing.data[key.replace("_mean", "_sem")]
            assert sem.shape == value.shape and np.all(sem >= 0)
    return drawing


@pytest.mark.slow
def test_sample_complexity() -> None:
    data = draw("sample-complexity").data
    # The rarer cluster needs more samples, and a smaller start more still.
    assert np.all(np.diff(data["weight_theory"][:, 1]) < 0) and np.all(np.diff(data["overlap_theory"][:, 0]) <= 0)
    assert np.max(np.abs(data["overlap_mean"] / data["overlap_mean"][:, ::-1] - 1)) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three-clusters", "learning-curves", "mnist-gaussian", "mnist-images"])
def test_slower_figures(name: str) -> None:
    draw(name)
