"""Shared fixtures."""

from __future__ import annotations

import os
import sys

import matplotlib
import pytest
from threadpoolctl import threadpool_limits

matplotlib.use("Agg")


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread_a_worker():
    """Workers that share the cores wait for each other's BLAS threads otherwise."""
    with threadpool_limits(1 if "PYTEST_XDIST_WORKER" in os.environ else None):
        yield


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """A test that leaves a figure open must not be seen by the next one on the same worker."""
    yield
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is not None:
        plt.close("all")


@pytest.fixture(scope="session")
def three_clusters():
    """The reference experiment."""
    import asymptotics as asy

    return asy.example("three-clusters")


@pytest.fixture(scope="session")
def three_clusters_path(three_clusters):
    """Its solution, to 1e-8."""
    import asymptotics as asy

    return asy.solve(three_clusters, tolerance=1e-8)
