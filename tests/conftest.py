"""Shared fixtures."""

from __future__ import annotations

import os
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

matplotlib.use("Agg")


@pytest.fixture(scope="session", autouse=True)
def cores_are_shared():
    """Workers wait for each other's BLAS threads otherwise, and two processes of a simulation compile the same kernels at once."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with threadpool_limits(1 if workers > 1 else None), pytest.MonkeyPatch.context() as patch:
        if workers > 1 and hasattr(os, "sched_getaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            patch.setattr(os, "sched_getaffinity", lambda _: set(cores[: max(1, len(cores) // workers)]))
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Whole files stay on one worker, where their fixtures and kernels are; who is done takes half of what another has left."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What ``.ci/run`` runs beside the fast suite is slow; what is slow for itself is not for it."""
    for item in items:
        if item.get_closest_marker("ci") and item.get_closest_marker("slow"):
            item.own_markers = [mark for mark in item.own_markers if mark.name != "ci"]
        elif item.get_closest_marker("ci"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """A test that leaves a figure open must not be seen by the next one on the same worker."""
    yield
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is not None:
        plt.close("all")


#: What a table says of its numbers.
STATED = ("abs", "rel", "source")


class References:
    """Numbers known from elsewhere (``tests/reference.toml``), by their dotted names."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.tables = tables

    def found(self, name: str) -> dict[str, Any]:
        """An entry or a table, with the tolerance and the source that stand nearest to it."""
        at, stated = self.tables, {}
        for part in name.split("."):
            at = at[part] if isinstance(at[part], dict) else {"value": at[part]}
            own = {k: at[k] for k in STATED if k in at}
            if {"abs", "rel"} & set(own):
                stated = {"source": stated.get("source")}
            stated |= own
        return {k: v for k, v in at.items() if not isinstance(v, dict)} | stated

    def value(self, name: str) -> Any:
        """The number alone, or the array; of a table the numbers by their names."""
        entry = self.found(name)
        if "value" in entry:
            return np.array(entry["value"]) if isinstance(entry["value"], list) else entry["value"]
        return {k: v for k, v in entry.items() if k not in STATED}

    def __call__(self, name: str) -> Any:
        """The number with its tolerance."""
        entry = self.found(name)
        return pytest.approx(self.value(name), **{k: entry[k] for k in ("abs", "rel") if k in entry})


@cache
def references() -> References:
    return References(tomllib.loads((Path(__file__).parent / "reference.toml").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def reference() -> References:
    """Numbers known from elsewhere, with tolerance and source."""
    return references()


def pytest_generate_tests(metafunc):
    """``@pytest.mark.rows("table")``: once for every row of that table, its columns as arguments."""
    for marker in metafunc.definition.iter_markers("rows"):
        table = references().found(*marker.args)
        metafunc.parametrize(table["columns"], table["rows"])


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
