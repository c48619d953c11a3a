"""The command line, as a user calls it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asymptotics import api
from asymptotics.cli import main
from asymptotics.common.output.verdict import Verdict


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_solve_prints_one_json_object_with_the_reference_numbers(capsys, reference):
    status, out, err = run(capsys, "solve", "three-clusters", "--json", "--tau", "1,2,3,4")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert answer["tau"] == [1, 2, 3, 4]
    for place, name in (((0, 0), "Q_11"), ((1, 1), "Q_22")):
        along = [Q[place[0]][place[1]] for Q in answer["Q"]]
        assert along == pytest.approx(reference.value(f"autoencoder.three_clusters.{name}"), abs=1e-5)
    assert max(abs(Q[0][1]) for Q in answer["Q"]) < 1e-8
    assert answer["M"][3][0][0] == pytest.approx(reference.value("autoencoder.three_clusters.M_11"), abs=1e-5)
    assert answer["b"] == pytest.approx(reference.value("autoencoder.three_clusters.b"), abs=1e-5)
    assert {"Theta", "evaluations", "error_estimate", "seconds"} <= set(answer)


def test_simulate_has_mean_and_sem_with_the_same_names(capsys):
    status, out, _ = run(
        capsys, "simulate", "three-clusters", "--json", "--set", "simulation.dimension=120", "--set", "simulation.runs=3",
        "--set", "simulation.samples=20", "--set", "training.tau=0.5", "--workers", "1",
    )  # fmt: skip
    answer = json.loads(out)
    assert status == 0
    assert {"Q", "Theta", "M", "b"} <= set(answer["mean"]) & set(answer["sem"])
    assert (answer["runs"], answer["dimension"]) == (3, 120)


def test_compare_draws_and_judges(capsys, tmp_path):
    picture = tmp_path / "out.png"
    status, out, _ = run(
        capsys, "compare", "three-clusters", "--plot", str(picture), "--set", "simulation.dimension=400", "--set",
        "simulation.samples=500", "--set", "training.tau=1", "--set", "sampling.stop=0.6", "--quiet",
    )  # fmt: skip
    assert status == 0
    assert "PASS" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_nothing_tested_is_said_and_exits_with_one(capsys, monkeypatch):
    untested = Verdict.of([], not_tested=(("b", "no companion ensemble"),))
    for verb in ("solve", "run", "compare"):
        monkeypatch.setattr(api, verb, lambda *_, **__: untested)
    status, out, _ = run(capsys, "compare", "three-clusters")
    assert status == 1
    assert out.splitlines()[-1] == "NOT TESTED: no number could be compared; 1 not tested"
    status, out, _ = run(capsys, "compare", "three-clusters", "--json")
    assert (status, json.loads(out)["outcome"]) == (1, "NOT TESTED")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solve", "no-such"], "experiment = 'no-such'"),
        (["solve", "three-clusters", "--set", "training.tau=-1"], "training.tau"),
        (["solve", "three-clusters", "--set", "training.tau"], "--set training.tau"),
        (["solve", "three-clusters", "--tau", "9"], "tau"),
        (["solve", "three-clusters", "--tau", "x"], "tau = 'x'"),
        (["solve", "three-clusters", "--colour"], "--colour"),
        (["compare", "three-clusters", "--plot", "/no/such/folder/x.png"], "--plot"),
        (["compare", "three-clusters", "--plot", "x.gif"], "--plot"),
        (["frobnicate"], "command = 'frobnicate'"),
        (["derive", "nothing"], "derivation = 'nothing'"),
        (["solve", "three-clusters", "--set", "interpolant.alpha=\"__import__('os')\""], "interpolant.alpha"),
    ],
)
def test_bad_input_exits_with_2_and_one_line(capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_examples_and_help(capsys):
    assert "three-clusters" in run(capsys, "examples")[1]
    assert "mnist-gaussian" in json.loads(run(capsys, "examples", "--json")[1])
    assert run(capsys, "--help")[0] == 0
    with pytest.raises(SystemExit) as done:
        main(["solve", "three-clusters", "--help"])
    assert done.value.code == 0
    assert "--tau" in capsys.readouterr().out


def test_derive_prints_latex(capsys):
    status, out, _ = run(capsys, "derive", "tied", "--latex")
    assert status == 0
    assert r"}{\mathrm d\tau}" in out


def test_import_is_light():
    """No SymPy, Matplotlib, SciPy or numba when the package is imported."""
    code = "import asymptotics, sys; print([m for m in ('sympy', 'matplotlib', 'numba', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_second_process_compiles_and_derives_nothing(tmp_path):
    """With a filled cache a second process writes no file, and imports neither SymPy nor what only a compiler needs."""
    import os
    import shutil

    from asymptotics.common.numerics.code.cache import cache_directory

    def link(source, target):
        with contextlib.suppress(FileNotFoundError):  # another worker's half-written file
            try:
                os.link(source, target)
            except OSError:  # another disk
                shutil.copy2(source, target)

    # The first process fills what is missing: all of it where the cache of these tests is empty.
    cache = tmp_path / "cache"
    shutil.copytree(cache_directory(), cache, copy_function=link)
    environment = {**os.environ, "ASYMPTOTICS_CACHE_DIR": str(cache)}
    code = (
        "import sys; from asymptotics.cli import main; status = main(['solve', 'three-clusters', '--json']);"
        "unwanted = {'sympy', 'scipy.linalg', 'numba.np.arraymath', 'asymptotics.one_step.problem'};"
        "print(*unwanted & set(sys.modules), 'end', file=sys.stderr); sys.exit(status)"
    )
    first = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    files = {p: p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()}
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert files
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()} == files
    assert second.stderr.split() == ["end"]
    assert json.loads(first.stdout)["Q"] == json.loads(second.stdout)["Q"]


def test_ctrl_c_leaves_no_process_and_no_file(tmp_path):
    import os
    import signal
    import time

    command = [sys.executable, "-m", "asymptotics", "compare", "three-clusters", "--plot", "x.png"]
    command += ["--set", "simulation.dimension=60000", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            children: list[str] = []
            while not children and process.poll() is None:  # however slow the machine is
                time.sleep(0.1)
                listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
                children = listing.read_text().split() if listing.exists() else []
            time.sleep(0.5)
            os.kill(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert not any(os.path.exists(f"/proc/{pid}/stat") for pid in children)
