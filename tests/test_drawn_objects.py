"""Objects that are given back but not stored draw themselves."""

from __future__ import annotations

from functools import cache
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

import asymptotics as asy
from tests.reference_example import auto_encoder, path


def problem():
    return auto_encoder()[0].problem


def drawn(ax):
    return ax.has_data() or any(other.has_data() for other in ax.figure.axes)


def others():
    """Objects that public functions give back and that are no `Result`: each draws itself."""
    from asymptotics.autoencoder.collapse.collapse_map import CollapseMap
    from asymptotics.score_smoothing import CircleLaw, EarlyStoppedLaw, GeneratedLaw

    line = asy.Experiment(
        target={"centroids": [[2.0], [-1.0]]},
        denoiser={"init": {"centroids": 0.3}},
        training={"times": [0.7], "learning_rate": 0.2, "tau": 0.2},
    )
    solved = asy.solve(line)
    noisy = line.replace({"sampling.epsilon": "0.1 * (1 - t)", "sampling.step": 0.05})
    return {
        "density": asy.GeneratedDensity.from_path(path(), problem()),
        "density of one direction": asy.GeneratedDensity.from_path(path(), problem(), directions=[[1.0, 0.0]]),
        "density with noise": asy.GeneratedDensity.from_path(solved, noisy.problem),
        "density on a line": asy.GeneratedDensity.from_path(solved, line.problem),
        "target": problem().target,
        "target on a line": line.problem.target,
        "interpolant": asy.Interpolant.preset("trigonometric"),
        "collapse map": CollapseMap(asy.example("model-collapse").problem),
        "law": GeneratedLaw(3, 0.5, 0.1),
        "stopped law": EarlyStoppedLaw(3, 0.05),
        "law on the circle": CircleLaw(5, 0.5, 0.1),
    }


@pytest.mark.parametrize(
    "name",
    ["density", "density of one direction", "density with noise", "density on a line", "target", "target on a line",
     "interpolant", "collapse map", "law", "stopped law", "law on the circle"],
)  # fmt: skip
def test_other_objects_draw_themselves(name):
    figure, ax = others_once()[name].plot()
    figure.canvas.draw()
    assert drawn(ax)
    plt.close(figure)
    figure, ax = plt.subplots()
    assert others_once()[name].plot(ax) == (figure, ax)
    plt.close(figure)


others_once = cache(others)


def test_notebook_forms():
    density = others_once()["density"]
    assert repr(density) == density.summary() and "<mtext" not in density._repr_html_()
    assert "<mi>covariance</mi>" in density._repr_html_() and "<img" in density._repr_html_()
    page = ElementTree.fromstring(asy.example("three-clusters")._repr_html_())
    rows = [[cell.text or "" for cell in row] for row in page.iter("tr")]
    assert ["", "learning_rate", "0.1"] in rows and ["[training]", "times", ""] in rows
    centroids = next(row for row in page.iter("tr") if row[1].text == "centroids")
    assert [n.text for n in centroids.iter("mn")] == ["3", "0", "0", "3", "3", "0"]
    assert centroids.find(".//annotation").text == r"\begin{pmatrix} 3 & 0 \\ 0 & -3 \\ -3 & 0 \end{pmatrix}"
    assert r"\alpha_t = \cos{\left(\frac{\pi t}{2} \right)}" in others_once()["interpolant"]._repr_latex_()
