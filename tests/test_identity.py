"""A sweep and a checkpoint know their data by content: changed data are another experiment, a moved file is the same."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.common.input import data_files
from asymptotics.common.input.checks import InputError
from asymptotics.common.output import versions
from asymptotics.sweeps import point_name


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def samples(path, seed, scale=1.0):
    """Two classes in 20 dimensions, 3·scale apart; a file of one size, whatever the numbers."""
    x = np.random.default_rng(seed).normal(size=(400, 20)) * scale
    x[:200, 0] += 3 * scale
    np.savez(path, samples=x, labels=np.repeat([0, 1], 200))


def spectrum(path, seed, scale=1.0):
    values = scale * np.sort(np.random.default_rng(seed).uniform(1.0, 3.0, 12))[::-1]
    np.savez(path, eigenvalues=values) if str(path).endswith("z") else np.save(path, values)


def on_samples(path="data.npz"):
    return asy.Experiment(
        target={"samples": path, "atoms": 4, "diagonal": True},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.2}},
        training={"times": [0.7], "learning_rate": 0.2, "tau": 0.4},
        simulation={"dimension": 60, "runs": 2, "samples": 20},
    )


def on_spectrum(path="data.npz"):
    return asy.Experiment(
        target={"spectrum": path, "centroids": [[1.0], [-1.0]]},
        denoiser={"hidden_units": 1, "init": {"centroids": 0.2}},
        training={"times": [0.7], "learning_rate": 0.2, "tau": 0.4},
        simulation={"dimension": 60, "runs": 2, "samples": 20},
    )


def linear(path="data.npy"):
    return asy.Experiment(
        system="linear_diffusion",
        linear_diffusion={"spectrum": path, "samples": 30, "steps": 50},
        simulation={"runs": 2, "test_samples": 50, "samples": 20},
    )


CASES = {
    "samples": (on_samples, samples, "training.tau", [0.2, 0.4], "b", "data.npz", "target.samples"),
    "spectrum": (on_spectrum, spectrum, "training.tau", [0.2, 0.4], "b", "data.npz", "target.spectrum"),
    "linear": (linear, spectrum, "linear_diffusion.samples", [30, 40], "test_loss", "data.npy", "linear_diffusion.spectrum"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_changed_data_are_other_points_of_a_sweep(name):
    make, write, key, values, column, path, _ = CASES[name]
    write(path, 0)
    first = asy.sweep(make(path), {key: values}, out="points", workers=1)
    assert first.errors == ["", ""]
    assert asy.sweep(make(path), {key: values}, out="points", workers=1).reused == 2
    old = Path(path).stat()
    write(path, 1, 2.0)
    # As a copy with its time stamp, or a coarse clock, would have it.
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert Path(path).stat().st_size == old.st_size
    second = asy.sweep(make(path), {key: values}, out="points", workers=1)
    fresh = asy.sweep(make(path), {key: values}, out="fresh", workers=1)
    assert second.reused == 0
    np.testing.assert_array_equal(second[column], fresh[column])
    assert np.all(np.abs(second[column] / first[column] - 1) > 1e-4)
    # The same content under another name is the same point; the data of before are those points again.
    moved = f"moved{path[-4:]}"
    Path(path).rename(moved)
    assert asy.sweep(make(moved), {key: values}, out="points", workers=1).reused == 2
    write(path, 0)
    assert asy.sweep(make(path), {key: values}, out="points", workers=1).reused == 2


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_of_other_data_is_refused_in_one_line(name):
    make, write, *_, path, key = CASES[name]
    write(path, 0)
    first = asy.simulate(make(path), checkpoint="keep", workers=1, progress=False)
    write(path, 1, 2.0)
    with pytest.raises(InputError, match=rf"belongs to other data \(experiment\.{key} has other content\)") as caught:
        asy.simulate(make(path), checkpoint="keep", workers=1, progress=False)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    write("back.npz" if path.endswith("z") else "back.npy", 0)
    again = asy.simulate(make(f"back{path[-4:]}"), checkpoint="keep", workers=1, progress=False)
    assert json.dumps(again.to_json()["runs"]) == json.dumps(first.to_json()["runs"])


@pytest.mark.parametrize("kind", ["file", "array"])
def test_data_given_as_an_option_count_too(kind):
    """Training on samples (auto-encoder) or evaluating a training set (one step): the option names a file, or is an array."""
    samples("data.npz", 0)
    experiment = on_samples()
    x = np.load("data.npz")["samples"]
    np.save("train.npy", x)
    given = {"file": "train.npy", "array": x}[kind]
    asy.simulate(experiment, data=given, checkpoint="keep", workers=1, progress=False)
    np.save("train.npy", x + 0.25)
    given = {"file": "train.npy", "array": x + 0.25}[kind]
    with pytest.raises(InputError, match=r"belongs to other data \(options\.data has other content\)"):
        asy.simulate(experiment, data=given, checkpoint="keep", workers=1, progress=False)


def test_data_that_change_under_a_living_experiment_are_refused():
    """The problem was measured on the old file: neither identity would be true."""
    samples("data.npz", 0)
    experiment = on_samples()
    samples("data.npz", 1)
    with pytest.raises(InputError, match=r"data\.npz: its content has changed since"):
        asy.simulate(experiment, checkpoint="keep", workers=1, progress=False)


def test_data_that_change_while_a_sweep_runs_are_an_error_of_the_point(monkeypatch):
    from asymptotics.sweeps import points as sweeps

    spectrum("data.npy", 0)
    real = sweeps.Experiment

    class Slow(real):
        @classmethod
        def from_table(cls, table, name):
            spectrum("data.npy", 1)
            return real.from_table(table, name=name)

    monkeypatch.setattr(sweeps, "Experiment", Slow)
    table = sweeps.solve_point
    before = data_files.data_files("data.npy")
    with pytest.raises(InputError, match="its content has changed"):
        table(linear().to_table(), "x", False, {}, before)


def test_words_are_not_files_and_shipped_data_count():
    for name in ("tanh", "isotropic", "mnist"):
        Path(name).write_text("something")
    assert data_files.data_files({"a": {"activation": "tanh", "b": ["isotropic", 3]}, "c": "no/file.npz"}) == {}
    assert data_files.data_files({"data": "tanh"}, any_name=True).keys() == {"tanh"}
    mnist = data_files.data_files({"spectrum": "mnist"})
    assert len(mnist["mnist"]) == 64 and mnist["mnist"] != data_files.sha256_of("mnist")
    Path("a.npz").write_bytes(b"1")
    assert data_files.sha256_of("a.npz") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert data_files.by_content({"x": ["a.npz", Path("a.npz"), "b"]}, {"a.npz": "1"}) == {
        "x": ["sha256:1"] * 2 + ["b"]
    }
    assert point_name({"x": "a.npz"}, False, {}) != point_name({"x": "b.npz"}, False, {})


# versions ---------------------------------------------------------------------------------------------------------------


def test_going_on_under_other_versions_says_so_once(monkeypatch, caplog):
    spectrum("data.npy", 0)
    first = asy.simulate(linear(), checkpoint="keep", workers=1, progress=False)
    kept = json.loads(Path("keep/checkpoint.json").read_text())["libraries"]
    assert {"asymptotics", "python", "numpy", "scipy", "numba", "sympy"} == set(kept) and kept[
        "numpy"
    ] == np.__version__
    asy.sweep(linear(), {"linear_diffusion.samples": [30, 40]}, out="points", workers=1)
    with caplog.at_level(logging.WARNING):
        asy.simulate(linear(), checkpoint="keep", workers=1, progress=False)
        asy.sweep(linear(), {"linear_diffusion.samples": [30, 40]}, out="points", workers=1)
    assert caplog.records == []
    later = tuple({**versions.versions(), "numpy": "99.1"}.items())
    monkeypatch.setattr(versions, "_versions", lambda: later)
    with caplog.at_level(logging.WARNING):
        again = asy.simulate(linear(), checkpoint="keep", workers=1, progress=False)
        asy.sweep(linear(), {"linear_diffusion.samples": [30, 40]}, out="points", workers=1)
    assert again.to_json()["runs"] == first.to_json()["runs"]
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2 and all(f"numpy {np.__version__} is now 99.1" in text and "\n" not in text for text in texts)


def test_files_of_results_name_the_versions(tmp_path):
    from asymptotics.common.numerics.laws.spectra import power_law
    from asymptotics.common.output.results import read_arrays

    meta, _ = read_arrays(power_law(5, 1.0).save(tmp_path / "s.npz"))
    assert meta["versions"] == versions.versions() and meta["versions"]["asymptotics"] == asy.__version__
