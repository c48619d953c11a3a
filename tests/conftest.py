"""Shared fixtures."""

from __future__ import annotations

import matplotlib
import pytest

matplotlib.use("Agg")


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
