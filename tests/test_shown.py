"""How numbers, points and verdicts are shown: names of entries, no minus of zero, notebooks, plots."""

from __future__ import annotations

import dataclasses
import json
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

import asymptotics as asy
from tests.reference_example import auto_encoder, path

NEGATIVE_ZERO = re.compile(r"(?<![\w.])-0(?:\.0*)?(?![\d.]|e)")


def linear():
    return asy.example("linear-overfitting").replace(
        {"linear_diffusion.dimension": 20, "linear_diffusion.samples": 30, "simulation.runs": 2}
    )


def test_a_point_of_a_path_reads_well():
    at = dataclasses.replace(path()(0.5), Q=np.array([[1.25, -1e-12], [-1e-12, 0.5]]), b=-1e-9)
    lines = repr(at).splitlines()
    assert lines[0] == "order parameters at tau = 0.5"
    assert lines[1:3] == ["  Q = [[1.25 0.  ]", "       [0.   0.5 ]]"] and "  b = -1e-09" in lines
    assert r"Q = \begin{pmatrix} 1.25 & 0 \\ 0 & 0.5 \end{pmatrix}" in at._repr_latex_()
    assert ElementTree.fromstring(at._repr_html_()).find(".//math") is not None
    several = path()(np.array([0.1, 0.2]))
    assert "array of shape (2, 2, 2)" in repr(several) and several._repr_latex_() is None


@pytest.mark.parametrize(
    ("name", "index", "shape", "wanted"),
    [
        ("Q", (0, 1), (2, 2), "Q_12"), ("Q", (0, 11), (12, 12), "Q_1,12"), ("b", (), (), "b"),
        ("Theta(0.3)", (1, 0), (2, 2), "Theta_21(0.3)"), ("M_sem", (1, 2), (2, 3), "M_sem_23"),
    ],
)  # fmt: skip
def test_entries_are_named_as_in_the_figures(name, index, shape, wanted):
    from asymptotics.common.output.entries import entry

    assert entry(name, index, shape) == wanted


@pytest.mark.parametrize("values", [-0.0, [-1e-9, 2.0], [[-1e-12, 1.0], [-0.0, 3.0]], [-0.0, -0.0]])
def test_zero_has_no_minus(values):
    from asymptotics.common.output import notebook, plain

    shown = [plain.printed(values), plain.matrix(values), notebook.tex("Q", values), json.dumps(plain.to_builtin(-0.0))]
    assert not any(NEGATIVE_ZERO.search(text) for text in shown)
    # What is small and not zero keeps its sign and size.
    assert plain.printed([-1e-9]) == "[-1.e-09]" and plain.printed(-1e-9) == "-1e-09"


def test_verdict_names_the_entry():
    """The row of a matrix shows its worst entry by name: of Q's upper triangle, of a curve by its time, after the file too."""
    verdict = instance_of_verdict()
    names = verdict.to_dataframe()["entry"].tolist()
    assert {"Q_12(0.5)", "Q_22(0.5)", "Theta_21(0.5)", "b(0.5)", "generated mean_2"} <= set(names)
    assert "Q_21(0.5)" not in names and "generated second moments_12" in names
    text = verdict.summary()
    assert re.search(r"^Q_(11|12|22)\(0\.5\) ", text, re.M) and "worst entry" not in text
    page = ElementTree.fromstring(verdict._repr_html_())
    assert any(cell.text == "Q" and cell.find("sub").text in ("11", "12", "22") for cell in page.iter("td"))
    assert verdict.outcome in page.find("b").text


def instance_of_verdict():
    return asy.compare(path(), auto_encoder()[2])


def test_sweep_draws_one_key_and_two(tmp_path):
    over = {"linear_diffusion.samples": [30, 60], "linear_diffusion.regularisation": [0.1, 1.0, 10.0]}
    table = asy.sweep(linear(), over, out=tmp_path, progress=False, workers=1)
    figure, ax = table.plot(columns="test_loss")
    mesh = ax.collections[0].get_array()
    assert np.ravel(mesh).tolist() == table["test_loss"].reshape(table.shape).T.ravel().tolist()
    plt.close(figure)
    with pytest.raises(asy.InputError, match="no such column"):
        table.plot(columns="nothing")
    plt.close("all")


def test_verdict_plot_is_that_of_its_numbers():
    from asymptotics.common.output.verdict import Row, Verdict

    rows = [Row("a", np.array([1.0, 2.0]), np.array([1.1, 2.0]), np.array([0.1, 0.1])), Row("b", 0.0, 9.0, 1.0, 2.0)]
    verdict = Verdict.of(rows)
    table = verdict.to_dataframe()
    assert table["entry"].tolist() == ["a_1", "a_2", "b"]
    np.testing.assert_allclose(table["score"], [1.0, 0.0, 7.0], atol=1e-12)
    figure, ax = verdict.plot()
    heights = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])
    wanted = [0.0, 0.1 / (0.1 * verdict.threshold(rows[0])), 9.0 / (2.0 + verdict.threshold(rows[1]))]
    np.testing.assert_allclose(sorted(heights), wanted, atol=1e-12)
    assert wanted[2] > 1 and "FAIL" in ax.get_title()
    plt.close(figure)
