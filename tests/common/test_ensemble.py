"""Independent runs: statistics over them, and the two ensembles of an experiment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from asymptotics.common.output.ensemble import Ensemble, Ensembles, Measured, spread, standard_error


@dataclass(frozen=True)
class Both(Ensembles):
    """Two quantities along t."""

    t: np.ndarray

    NAMES = ("x", "mean")

    x, mean_, low_x = Measured(), Measured(), Measured()

    def _along(self):
        return "t", self.t


@pytest.fixture
def both():
    rng = np.random.default_rng(0)
    main, low = ({"x": rng.standard_normal((n, 3, 2)), "mean": rng.standard_normal((n, 3))} for n in (4, 8))
    return Both(Ensemble(main, 40), Ensemble(low, 10), 1, 0.5, {"table": {"key": 1}}, np.arange(3.0))


def test_statistics():
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_array_equal(spread(x), [np.sqrt(2.0), 0.0])
    np.testing.assert_allclose(standard_error(x), [1.0, 0.0])
    np.testing.assert_allclose(standard_error(x, axis=1), [2.0, 1.0])
    assert np.isnan(standard_error(x[:1])).all() and standard_error(x[:1]).shape == (2,)


def test_two_ensembles(both):
    assert (both.runs, both.dimension, both.low.runs, both.low_dimension) == (4, 40, 8, 10)
    np.testing.assert_array_equal(both.x, both.main["x"])
    np.testing.assert_array_equal(both.low_x, both.low["x"])
    np.testing.assert_array_equal(both.mean_, both.values("mean"))
    np.testing.assert_array_equal(both.sem("x", low=True), both.low.sem("x"))
    assert both.alone().low.runs == 0 and both.alone().low_dimension == 10 and both.alone().runs == 4
    part = both.take(slice(1, 3), slice(0, 4))
    np.testing.assert_array_equal(part.x, both.x[1:3])
    assert (part.runs, part.low.runs) == (2, 4)


def test_file_is_flat_and_comes_back(both, tmp_path):
    with np.load(both.save(tmp_path / "both.npz")) as stored:
        assert {"x", "mean_", "low_x", "low_mean_", "t"} <= set(stored.files)
    again = Both.load(tmp_path / "both.npz")
    for one, other in ((again.main, both.main), (again.low, both.low)):
        assert one.dimension == other.dimension and list(one.arrays) == list(other.arrays)
        for name, values in one.arrays.items():
            np.testing.assert_array_equal(values, other[name])
    assert again.experiment == both.experiment and dataclasses.replace(again, seed=2).seed == 2
