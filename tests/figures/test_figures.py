"""The gallery's command: discovery, files beside each figure, clear errors."""

from __future__ import annotations

import ast
import importlib
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import asymptotics as asy
import figures
from asymptotics.cli import main as asymptotics_main
from figures import __main__ as command
from figures import index
from figures.base import Drawing
from figures.sources import PAPERS

EXPERIMENT = {
    "target": {"centroids": np.array([[2.0], [-1.0]]), "weights": [0.7, 0.3], "reference_overlaps": None},
    "training": {"times": [0.7], "learning_rate": np.float64(0.2), "tau": 1.0},
}


def _line(quick):
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 2 if quick else 3])
    return Drawing(figure, "A line. κ = 1.", "nobody", {"x": np.array([0.0, 1.0])}, EXPERIMENT, "exact")


def _broken(quick):
    raise ArithmeticError("no such number")


ROOMS = (
    "autoencoder",
    "interactions",
    "linear_diffusion",
    "mixture_flow",
    "one_step",
    "random_features",
    "score_smoothing",
)
DOORS = {"asymptotics", "asymptotics.tools", "derivations", *(f"asymptotics.{room}" for room in ROOMS)}
FOLDER = Path(figures.__path__[0])
#: The command and its pages are part of the package, and no figure.
COMMAND = ("__main__.py", "index.py", "sources.py")
MODULES = sorted({str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*.py") if p.name != "__init__.py"} - {*COMMAND})


@pytest.mark.parametrize("module", MODULES)
def test_a_user_could_have_drawn_it(module):
    """A figure imports names of the stubs alone, and reaches no private attribute of what it imports."""
    tree = ast.parse((FOLDER / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {a.name for a in node.names if a.name.startswith(("asymptotics", "derivations"))} <= {"asymptotics"}
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and node.module.startswith(("asymptotics", "derivations"))
        ):
            assert node.module in DOORS, node.module
            assert {a.name for a in node.names} <= {*importlib.import_module(node.module).__all__}, node.module
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            dunder = node.attr.startswith("__") and node.attr.endswith("__")
            assert dunder or not node.attr.startswith("_"), node.attr


@pytest.fixture
def gallery(monkeypatch):
    """A package of two modules."""
    modules = {"one": {"test-line": _line}, "two": {"test-broken": _broken}, "three": None}
    for name, mine in modules.items():
        module = types.ModuleType(f"figures.{name}")
        if mine is not None:
            module.FIGURES = mine
        monkeypatch.setitem(sys.modules, f"figures.{name}", module)
    found = [types.SimpleNamespace(name=f"figures.{n}") for n in ("base", *modules)]
    monkeypatch.setattr(command.pkgutil, "walk_packages", lambda path, prefix: found)
    return modules


def test_every_file_beside_a_figure(gallery, tmp_path, capsys):
    assert command.main(["test-line", "--quick", "--out", str(tmp_path / "new" / "folder")]) == 0
    folder = tmp_path / "new" / "folder"
    kinds = {"png", "pdf", "npz", "md", "toml"}
    assert {p.name for p in folder.iterdir()} == {"README.md", *(f"test-line.{kind}" for kind in kinds)}
    assert (folder / "test-line.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "test-line.pdf").read_bytes().startswith(b"%PDF")
    with np.load(folder / "test-line.npz", allow_pickle=False) as data:
        assert data["x"].tolist() == [0.0, 1.0]
        assert str(data["__caption__"]) == "A line. κ = 1."
    experiment = asy.load(str(folder / "test-line.toml"))
    assert experiment.problem.training.learning_rate == 0.2
    assert "A line." in (folder / "test-line.md").read_text()
    printed = capsys.readouterr().out
    assert "test-line.png" in printed
    assert " s  (nobody)" in printed
    # The same numbers give the same bytes.
    before = (folder / "test-line.pdf").read_bytes()
    assert command.main(["test-line", "--quick", "--out", str(folder)]) == 0
    assert (folder / "test-line.pdf").read_bytes() == before


def test_pages_come_from_the_pictures(gallery, tmp_path):
    out, kept = tmp_path / "out", tmp_path / "kept"
    assert command.main(["test-line", "--quick", "--out", str(out), "--gallery", str(kept)]) == 0
    assert {p.relative_to(kept).as_posix() for p in kept.rglob("*.*")} == {"README.md", "gallery/test-line.png"}
    said = index.read_texts(kept / "gallery" / "test-line.png")
    assert said["Description"] == "A line. κ = 1."
    assert said["Quality"] == "quick"
    assert index.read_texts(out / "test-line.png") == said
    page = (kept / "README.md").read_text()
    for text in ("(gallery/test-line.png)", "A line. κ = 1.", "nobody", "exact", "python -m figures test-line --quick"):
        assert text in page, text
    assert "](test-line.png)" in (out / "README.md").read_text()
    # Drawn again at full quality, the page says so.
    assert command.main(["test-line", "--out", str(out), "--gallery", str(kept)]) == 0
    assert "--quick" not in (kept / "README.md").read_text()


def test_the_gallery_holds_every_figure():
    folder = FOLDER
    if not (folder.parent / "pyproject.toml").exists():
        pytest.skip("the gallery is kept in the repository, not in an installed package")
    names = set(command.discover())
    pictures = folder / index.PICTURES
    kept = {p.stem for p in pictures.iterdir()}
    assert kept == names
    assert sum(p.stat().st_size for p in pictures.iterdir()) < 8_000_000
    # A small ensemble is allowed where a full one takes long, and the page says so.
    assert {index.read_texts(pictures / f"{name}.png")["Quality"] for name in kept} <= {"full", "quick"}
    listed = [(title, list(room)) for title, room in command.rooms().items()]
    # No text of the page but what the pictures say.
    assert (folder / index.PAGE).read_text() == index.page(listed, pictures, kept=True)


def test_every_figure_has_its_paper():
    names = [name for paper in PAPERS for name in paper.shows]
    assert len(names) == len(set(names))
    assert set(names) == set(command.discover())
    # A page without a picture of a paper has no section of it; a figure of no paper stands under its room.
    page = (FOLDER / index.PAGE).read_text()
    sections = [section.partition("\n")[::2] for section in page.split("\n## ")[1:]]
    assert [title for title, _ in sections] == [paper.short for paper in PAPERS]
    for (_, section), paper in zip(sections, PAPERS, strict=True):
        assert [line[4:] for line in section.splitlines() if line.startswith("### ")] == list(paper.shows)
        for name, shown in paper.shows.items():
            assert section.count(f"(gallery/{name}.png)") == 2, name  # the thumbnail and the picture
            assert f"- The source shows: {shown}." in section, name
    for absent in ("CIFAR-10", "CelebA", "U-Net"):
        assert any(absent in what and why for paper in PAPERS for what, why in paper.missing), absent


def test_longest_figures_exist():
    assert len(set(command.LONGEST)) == len(command.LONGEST)
    assert set(command.LONGEST) <= set(command.discover())


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


@pytest.mark.ci
def test_real_figures_are_found_and_drawn(tmp_path, capsys):
    names = command.discover()
    assert {"linear-spectra", "mixture-path", "one-step-error", "smoothing-scores"} <= set(names)
    assert asymptotics_main(["figure", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(names)
    for name in ("smoothing-scores", "linear-spectra"):
        assert asymptotics_main(["figure", name, "--quick", "--out", str(tmp_path), "--workers", "1"]) == 0
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as data:
            assert len(data.files) > 3
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_an_incomplete_experiment_is_refused():
    tables = {"mixture_flow": {"cluster_std": 0.5}}
    with pytest.raises(ValueError, match=r"not complete: mixture_flow\.samples"):
        command.experiment_file(Drawing(None, "c", "s", {}, tables))


@pytest.mark.slow
def test_all_figures_quick(tmp_path, capsys):
    assert command.main(["all", "--quick", "--out", str(tmp_path)]) == 0
    for name in command.discover():
        assert (tmp_path / f"{name}.png").exists()
        # Every figure has an experiment that solves.
        assert asy.solve(asy.load(str(tmp_path / f"{name}.toml"))) is not None, name
