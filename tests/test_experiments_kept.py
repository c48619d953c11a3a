"""Experiments as objects: to a file and back, copied, opened, read by many threads."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import asymptotics as asy


@pytest.mark.parametrize(
    "name", ["three-clusters", "mnist-gaussian", "binary-mixture", "linear-power-law", "one-step-multistep"]
)
def test_experiments_go_to_a_file_and_back(name, tmp_path):
    exp = asy.example(name)
    exp.to_toml(tmp_path / "x.toml")
    again = asy.load(tmp_path / "x.toml")
    assert again == exp
    assert again.tables == exp.tables
    for copied in (pickle.loads(pickle.dumps(exp)), copy.copy(exp), copy.deepcopy(exp)):
        assert copied == exp
        assert copied is not exp
        assert copied.problem is not exp.problem


def test_arrays_go_to_a_file_as_lists_and_a_derived_system_does_not():
    from derivations import architecture, derive

    exp = asy.example("three-clusters").replace({"target.centroids": np.array([[3.0, 0], [0, -3], [-3, 0]])})
    assert "0.0,\n        -3.0" in exp.to_toml()
    system = derive(architecture("tied", 1, activation="erf"))
    own = exp.replace(denoiser=system)
    assert copy.deepcopy(own).problem.denoiser.architecture == "tied"
    with pytest.raises(asy.InputError, match=r"denoiser\.system"):
        own.to_toml()


def test_a_copied_experiment_sees_changed_data(tmp_path):
    np.save(tmp_path / "s.npy", np.linspace(2.0, 0.5, 6))
    exp = asy.example("three-clusters").replace(
        target={
            "centroids": [[1.0]],
            "weights": [1.0],
            "eigenvalues": None,
            "masses": None,
            "spectrum": str(tmp_path / "s.npy"),
        }
    )
    stored = pickle.dumps(exp)
    np.save(tmp_path / "s.npy", np.linspace(3.0, 0.5, 6))
    with pytest.raises(asy.InputError, match="changed"):
        pickle.loads(stored)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    text = asy.example("three-clusters").to_toml()
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert asy.load(tmp_path / "bom.toml") == asy.example("three-clusters")


def test_load_opens_results(tmp_path):
    solution = asy.solve("binary-mixture")
    solution.save(tmp_path / "r.npz")
    again = asy.load(tmp_path / "r.npz")
    assert type(again) is type(solution)
    assert again.provenance == solution.provenance
    assert np.array_equal(again.M, solution.M)
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    for path in (tmp_path / "other.npz", tmp_path / "none.npz"):
        with pytest.raises(asy.InputError, match=path.name):
            asy.load(path)
    with pytest.raises(asy.InputError, match="holds a result"):
        asy.solve(str(tmp_path / "r.npz"))


def test_experiments_are_read_in_many_threads_at_once():
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: asy.example("relu-four-units"), range(16)))
    assert all(exp == found[0] for exp in found)
