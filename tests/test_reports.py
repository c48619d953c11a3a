"""What a person reads: derivation reports of every topic, results in a notebook and as tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from derivations import ARCHITECTURES, TOPICS

ROOT = Path(__file__).parent.parent
QUICK = ("tied", "collapse", "sampling")


def _report(name, folder, capsys):
    for suffix, start in ((".md", "#"), (".tex", "\\documentclass")):
        file = folder / f"{name}{suffix}"
        assert main(["derive", name, "--report", str(file)]) == 0
        text = file.read_text(encoding="utf-8")
        assert text.startswith(start)
        assert len(text) > 2000
    assert text.rstrip().endswith("\\end{document}")
    assert "wrote" in capsys.readouterr().out


@pytest.mark.parametrize("name", QUICK)
def test_quick_reports(name, tmp_path, capsys):
    _report(name, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*ARCHITECTURES, *TOPICS} - set(QUICK)))
def test_other_reports(name, tmp_path, capsys):
    _report(name, tmp_path, capsys)


def test_dataframes(three_clusters_path):
    table = three_clusters_path.to_dataframe([1.0, 2.0])
    assert table["Q_11"].tolist() == [three_clusters_path(t).Q[0, 0] for t in (1.0, 2.0)]
    assert table["tau"].tolist() == [1.0, 2.0]
    runs = asy.simulate("three-clusters", dimension=100, runs=2, samples=20, workers=1)
    table = runs.to_dataframe()
    assert len(table) == len(runs.tau)
    assert np.array_equal(table["M_sem_23"], runs.sem("M")[:, 1, 2])


def test_every_derivation_is_listed(capsys):
    assert main(["derive", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*ARCHITECTURES, *TOPICS]


def test_reading_what_is_built_in_needs_no_sympy():
    code = "import sys; from asymptotics.autoencoder import Denoiser; Denoiser(activation='erf'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "derivations.autoencoder.network.catalogue" in done.stdout and "sympy" not in done.stdout.split()
