"""The gallery's command: discovery, files beside each figure, clear errors."""

from __future__ import annotations

import sys
import types

import matplotlib.pyplot as plt
import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main as asymptotics_main
from figures import __main__ as command
from figures.base import Drawing

EXPERIMENT = {
    "target": {"centroids": np.array([[2.0], [-1.0]]), "weights": [0.7, 0.3], "reference_overlaps": None},
    "training": {"times": [0.7], "learning_rate": np.float64(0.2), "tau": 1.0},
}


def _line(quick):
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 2 if quick else 3])
    return Drawing(figure, "A line.", "nobody", {"x": np.array([0.0, 1.0])}, EXPERIMENT, "exact")


def _broken(quick):
    raise ArithmeticError("no such number")


@pytest.fixture
def gallery(monkeypatch):
    """A package of two modules."""
    modules = {"one": {"test-line": _line}, "two": {"test-broken": _broken}, "three": None}
    for name, figures in modules.items():
        module = types.ModuleType(f"figures.{name}")
        if figures is not None:
            module.FIGURES = figures
        monkeypatch.setitem(sys.modules, f"figures.{name}", module)
    found = [types.SimpleNamespace(name=n) for n in ("base", *modules)]
    monkeypatch.setattr(command.pkgutil, "iter_modules", lambda path: found)
    return modules


def test_every_file_beside_a_figure(gallery, tmp_path, capsys):
    assert command.main(["test-line", "--quick", "--out", str(tmp_path / "new" / "folder")]) == 0
    folder = tmp_path / "new" / "folder"
    kinds = {"png", "pdf", "npz", "md", "toml"}
    assert {p.name for p in folder.iterdir()} == {f"test-line.{kind}" for kind in kinds}
    assert (folder / "test-line.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "test-line.pdf").read_bytes().startswith(b"%PDF")
    with np.load(folder / "test-line.npz", allow_pickle=False) as data:
        assert data["x"].tolist() == [0.0, 1.0]
        assert str(data["__caption__"]) == "A line."
    experiment = asy.load(str(folder / "test-line.toml"))
    assert experiment.problem.training.learning_rate == 0.2
    assert "A line." in (folder / "test-line.md").read_text()
    assert "test-line.png" in capsys.readouterr().out
    # The same numbers give the same bytes.
    before = (folder / "test-line.pdf").read_bytes()
    assert command.main(["test-line", "--quick", "--out", str(folder)]) == 0
    assert (folder / "test-line.pdf").read_bytes() == before


def test_one_broken_figure_does_not_stop_the_others(gallery, tmp_path, capsys):
    assert command.main(["all", "--quick", "--out", str(tmp_path), "--workers", "1"]) == 1
    assert (tmp_path / "test-line.png").exists()
    assert "ArithmeticError: no such number" in capsys.readouterr().err


def test_names_are_unique(gallery):
    sys.modules["figures.two"].FIGURES = {"test-line": _line}
    with pytest.raises(ValueError, match="test-line"):
        command.discover()


def test_bad_input_is_one_line(gallery, tmp_path, capsys):
    assert command.main(["test-lime"]) == 2
    error = capsys.readouterr().err
    assert "did you mean test-line?" in error
    assert error.count("\n") == 1
    file = tmp_path / "file"
    file.write_text("")
    assert command.main(["test-line", "--out", str(file / "x")]) == 2
    assert asymptotics_main(["figure", "nothing"]) == 2
    assert command.main(["test-line", "--workers", "0", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_real_figures_are_found_and_drawn(tmp_path, capsys):
    names = command.discover()
    assert {"linear-spectra", "mixture-path", "one-step-error", "smoothing-scores"} <= set(names)
    assert asymptotics_main(["figure", "list"]) == 0
    assert capsys.readouterr().out.split() == list(names)
    for name in ("smoothing-scores", "linear-spectra"):
        assert asymptotics_main(["figure", name, "--quick", "--out", str(tmp_path), "--workers", "1"]) == 0
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as data:
            assert len(data.files) > 3
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_a_varied_key_is_named():
    tables = {"mixture_flow": {"cluster_std": 0.5}}
    text = command.experiment_file(Drawing(None, "c", "s", {}, tables))
    assert text.startswith("# The figure varies a key that is to be added here: mixture_flow.samples")


@pytest.mark.slow
def test_all_figures_quick(tmp_path, capsys):
    assert command.main(["all", "--quick", "--out", str(tmp_path)]) == 0
    for name in command.discover():
        assert (tmp_path / f"{name}.png").exists()
        file = tmp_path / f"{name}.toml"
        if file.exists() and not file.read_text().startswith("# The figure varies"):
            asy.load(str(file))
