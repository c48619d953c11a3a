"""The example notebooks run from top to bottom as plain Python and still print what is stored in them.

A code cell is tagged ``theory`` (its numbers follow from the equations alone) or ``run`` (it simulates, or shows a simulation).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "figures" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 400_000

#: Runs the cells in one namespace and writes what each prints, with the value of a last expression, as a JSON list.
RUNNER = """
import ast, contextlib, io, json, sys
import matplotlib
cells = json.loads(sys.stdin.read())
names = {"__name__": "__main__", "display": lambda *values: None}
answers = []
for number, source in enumerate(cells):
    tree = ast.parse(source, f"cell {number + 1}")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    shown = not source.rstrip().endswith(";")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number + 1}", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), f"cell {number + 1}", "eval"), names)
    answers.append([printed.getvalue(), repr(value) if shown and value is not None else ""])
print(json.dumps(answers))
"""


def text(value):
    """Text of a notebook: a string or a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def code(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def stored(cell):
    """``[printed, value]`` as stored."""
    printed = "".join(text(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")
    values = [out["data"]["text/plain"] for out in cell["outputs"] if out["output_type"] == "execute_result"]
    return [printed, text(values[0]) if values else ""]


def executed(cells):
    """``[printed, value]`` of every cell, from a fresh process without Jupyter."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=json.dumps([text(cell["source"]) for cell in cells]),
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?(?!\w)")


def compared(one, other, *, numbers):
    """Same words; and the same numbers to the digits that matter."""
    words = [re.sub(r"\s+", "", NUMBER.sub("#", x)) for x in (one, other)]
    assert words[0] == words[1]
    if numbers:
        np.testing.assert_allclose(*([float(n) for n in NUMBER.findall(x)] for x in (one, other)), rtol=1e-3, atol=1e-3)


def check(notebook, tags):
    cells = [cell for cell in code(notebook) if cell["metadata"]["tags"][0] in tags]
    for cell, answer in zip(cells, executed(cells), strict=True):
        for was, now in zip(stored(cell), answer, strict=True):
            compared(was, now, numbers=cell["metadata"]["tags"] == ["theory"])


def test_there_are_notebooks():
    assert {"regenerate_a_figure", "extend_a_derivation"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs(notebook):
    """Executed in order, nothing raised, pictures and verdicts are there; no machine in the file."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert notebook.stat().st_size < LARGEST
    assert content["nbformat"] == 4 and set(content["metadata"]) == {"kernelspec", "language_info"}
    cells = code(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["metadata"]["tags"] in (["theory"], ["run"]) for cell in cells)
    outputs = [out for cell in cells for out in cell["outputs"]]
    assert all(out["output_type"] in ("stream", "execute_result", "display_data") for out in outputs)
    assert all(out.get("name", "stdout") == "stdout" for out in outputs)
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 4
    printed = "".join(stored(cell)[0] for cell in cells)
    assert "PASS: " in printed and "FAIL" not in printed
    everything = json.dumps([[out.get("text"), {**out.get("data", {}), "image/png": ""}] for out in outputs])
    assert not re.search(r"/(home|root|tmp|work|usr|Users)/|0x[0-9a-f]{8}", everything)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_theory_prints_what_is_stored(notebook):
    """Without the simulations; no cell of theory needs one."""
    check(notebook, ("theory",))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(notebook):
    check(notebook, ("theory", "run"))


#: A notebook in a kernel of its own, as Jupyter runs it: what every cell leaves behind, as JSON.
KERNEL = """
import json, sys
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(source) for source in json.loads(sys.stdin.read())]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""


def test_a_real_kernel_shows_bars_and_tables():
    """Bars on standard error without being asked for; results as tables with a picture."""
    for module in ("nbclient", "ipykernel"):
        pytest.importorskip(module)
    sources = [
        "import asymptotics as asy",
        "exp = asy.example('one-step').replace({'one_step.dimension': 4, 'one_step.samples': 30, 'simulation.runs': 3})\nexp",
        "asy.simulate(exp, workers=1)",
    ]
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        input=json.dumps(sources),
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, (experiment,), outputs = json.loads(done.stdout.splitlines()[-1])
    assert "<td>diffusion_time</td>" in "".join(experiment["data"]["text/html"])
    bars = "".join(text(out["text"]) for out in outputs if out.get("name") == "stderr")
    assert "data set" in bars or "run" in bars, bars
    assert "%|" in bars
    (shown,) = (out["data"] for out in outputs if out["output_type"] == "execute_result")
    assert "data:image/png;base64," in text(shown["text/html"]) and "<table" in text(shown["text/html"])
