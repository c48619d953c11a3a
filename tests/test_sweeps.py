"""Sweeps: grids, points that survive, the same numbers wherever they run."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.common.running.pool import Failure, outcomes
from asymptotics.sweeps import point_name, scalars, values_of

GRID = {"one_step.samples": [150, 200, 400], "one_step.diffusion_time": [0.5, 2.0]}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("training.tau=0.5:8:16", np.linspace(0.5, 8, 16).tolist()),
        ("training.tau=1:4:4", [1, 2, 3, 4]),
        ("training.tau=1:100:3:log", [1, 10, 100]),
        ("training.tau=1.0:4:4", [1.0, 2.0, 3.0, 4.0]),
        ("denoiser.hidden_units=1,2,4", [1, 2, 4]),
        ("denoiser.activation=tanh,relu", ["tanh", "relu"]),
        ('interpolant.alpha="1 - t","sqrt(1 - t)"', ["1 - t", "sqrt(1 - t)"]),
        ("target.weights=[0.5, 0.5],[0.3, 0.7]", [[0.5, 0.5], [0.3, 0.7]]),
        ("one_step.mean = 1e-3", [1e-3]),
    ],
)
def test_values_of(text, values):
    found = values_of(text)[1]
    assert found == pytest.approx(values, rel=1e-15) if isinstance(values[0], float) else found == values
    assert [type(v) for v in found] == [type(v) for v in values]


@pytest.mark.parametrize(
    "text",
    ["tau=1,2", "training.tau", "training.tau=", "training.tau=1:2", "training.tau=1:2:0", "training.tau=0:2:3:log",
     "training.tau=1:2:3:lin", "training.tau=1:inf:3", "training.tau=a:b:c", "training.tau=1:2:999999999",
     "training..tau=1", "training.tau=open('x')"],
)  # fmt: skip
def test_bad_grids_are_one_line(text, tmp_path, capsys):
    assert main(["sweep", "three-clusters", "--over", text, "--out", str(tmp_path / "x")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_columns_of_a_report():
    report = {
        "tau": [0.0, 1.0, 2.0],
        "Q": [[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]],
        "kl": {"total": 1.5, "mean": None},
        "atoms": [0.25, 0.75],
        "curve": list(range(40)),
        "mean": {"b": [1.0, 2.0, 3.0], "times": [0.0, 1.0], "c": [7.0, 8.0]},
        "monotone": True,
        "rule": "hermite",
        "settings": {"eta": 1.0},
        "seconds": 0.1,
        "notes": [],
    }
    assert scalars(report) == {
        "tau": 2.0, "Q[0,0]": 5.0, "Q[0,1]": 6.0, "kl.total": 1.5, "kl.mean": None, "atoms[0]": 0.25, "atoms[1]": 0.75,
        "mean.b[0]": 1.0, "mean.b[1]": 2.0, "mean.b[2]": 3.0, "mean.times": 1.0, "mean.c": 8.0, "monotone": True,
    }  # fmt: skip


def _table(folder):
    with np.load(folder / "table.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return (folder / "table.csv").read_bytes(), arrays


def test_table_holds_the_numbers_of_single_solves(tmp_path):
    table = asy.sweep("one-step", GRID, out=tmp_path, workers=1)
    assert table.shape == (3, 2)
    text, arrays = _table(tmp_path)
    rows = list(csv.DictReader(text.decode().splitlines()))
    for k, (n, t) in enumerate((n, t) for n in GRID["one_step.samples"] for t in GRID["one_step.diffusion_time"]):
        alone = asy.solve(asy.example("one-step").replace({"one_step.samples": n, "one_step.diffusion_time": t}))
        total = alone.kl_generated_target.total  # None where theory has no value: NaN in a column of numbers
        np.testing.assert_equal(table["kl_generated_target.total"][k], np.nan if total is None else total)
        assert float(rows[k]["hellinger_squared"]) == alone.hellinger_squared == arrays["hellinger_squared"][k]
        assert (int(rows[k]["one_step.samples"]), rows[k]["error"]) == (n, "")
    assert arrays["__shape__"].tolist() == [3, 2]
    assert "seconds" not in arrays
    with pytest.raises(asy.InputError, match="did you mean hellinger_squared"):
        table["hellinger_square"]


def test_interrupted_sweep_goes_on(tmp_path, monkeypatch):
    import asymptotics.sweeps.run as module

    whole = asy.sweep("one-step", GRID, out=tmp_path / "whole", workers=1)
    real, calls = module.solve_point, []

    def interrupted(*task):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(task)
        return real(*task)

    monkeypatch.setattr(module, "solve_point", interrupted)
    with pytest.raises(KeyboardInterrupt, match="4 of 6 points are kept"):
        asy.sweep("one-step", GRID, out=tmp_path / "part", workers=1)
    assert len(list((tmp_path / "part" / "points").iterdir())) == 4
    calls.clear()
    resumed = asy.sweep("one-step", GRID, out=tmp_path / "part", workers=1)
    assert (len(calls), resumed.reused) == (2, 4)
    assert resumed.columns == whole.columns
    assert _table(tmp_path / "part")[0] == _table(tmp_path / "whole")[0]
    # One lost file is one point computed again; more values are only the new points.
    next((tmp_path / "part" / "points").iterdir()).unlink()
    calls.clear()
    longer = {**GRID, "one_step.samples": [150, 200, 400, 500]}
    assert asy.sweep("one-step", longer, out=tmp_path / "part", workers=1).reused == 5
    assert len(calls) == 3


def test_same_numbers_on_processes(tmp_path):
    grid = {"training.tau": [0.2, 0.4], "denoiser.skip": [0.0, 0.2], "simulation.seed": [1, 2]}
    small = asy.example("three-clusters").replace(
        {"simulation.dimension": 60, "simulation.runs": 2, "simulation.samples": 10}
    )
    tables = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        tables.append(asy.sweep(small, grid, out=folder, simulate=True, workers=workers).to_csv())
        assert (folder / "table.csv").read_text() == tables[-1]
    assert tables[0] == tables[1]
    # The file has the places of the JSON; who asks may write the entry as the figures do.
    again = asy.sweep(small, grid, out=tmp_path / "1", simulate=True, workers=1)
    np.testing.assert_array_equal(again["Q_12"], again["Q[0,1]"])
    assert {"Q_11", "simulation.mean.Q_12"} <= set(again.to_dataframe().columns) and "Q_33" not in again.to_dataframe()
    head, *rows = csv.reader(tables[0].splitlines())
    assert {"Q[0,0]", "Q[1,1]", "b", "simulation.mean.b", "simulation.mean.Q[0,0]", "simulation.sem.b"} <= set(head)
    assert len(rows) == 8 and not any(row[head.index("error")] for row in rows)
    for name in ("Q[0,0]", "simulation.mean.b"):
        assert len({row[head.index(name)] for row in rows}) > 3  # numbers, and not the same one in every row


def test_failed_points_are_recorded_and_tried_again(tmp_path):
    grid = {"one_step.samples": [200, -3, 1]}
    table = asy.sweep("one-step", grid, out=tmp_path, workers=1)
    assert [bool(e) for e in table.errors] == [False, True, True]
    assert "one_step.samples = -3" in table.errors[1]
    assert np.isnan(table["hellinger_squared"][1])
    assert "points failed" in table.summary()
    with pytest.raises(asy.InputError, match=r"one_step\.sampels"):
        asy.sweep("one-step", {"one_step.sampels": [1, 2]}, out=tmp_path)
    with pytest.raises(asy.InputError, match="over"):
        asy.sweep("one-step", {}, out=tmp_path)


def test_foreign_files_and_folders_stay(tmp_path, capsys):
    experiment = asy.example("one-step")
    asy.sweep(experiment, {"one_step.samples": [200]}, out=tmp_path, workers=1)
    [file] = (tmp_path / "points").iterdir()
    table = experiment.replace({"one_step.samples": 200}).to_table()
    assert file.stem == point_name(table, False, {})
    for content in ("{", "[]", json.dumps({"format": 99, "point": file.stem, "answer": {}})):
        file.write_text(content)
        with pytest.raises(asy.InputError, match="not a point written"):
            asy.sweep(experiment, {"one_step.samples": [200]}, out=tmp_path, workers=1)
        assert file.read_text() == content
    plain = tmp_path / "plain"
    plain.write_text("mine")
    assert main(["sweep", "one-step", "--over", "one_step.samples=200", "--out", str(plain)]) == 2
    assert plain.read_text() == "mine"
    assert capsys.readouterr().err.count("\n") == 1


def test_command_line(tmp_path, capsys):
    command = ["sweep", "one-step", "--over", "one_step.samples=150,200", "--out", str(tmp_path), "--workers", "1"]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["columns"]["one_step.samples"] == [150, 200]
    assert main(command) == 0
    assert "2 points over one_step.samples (2), 2 of them computed before" in capsys.readouterr().out
    assert main([*command, "--over", "one_step.samples=1"]) == 2
    assert "given twice" in capsys.readouterr().err


def _deadly(k, marker):
    """Kills its process: always for k = 3, and once for k = 5."""
    if k == 3 or (k == 5 and not os.path.exists(marker)):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if k == 7:
        raise ArithmeticError("no such number")
    return k * k


def test_a_killed_process_loses_nothing_but_its_own_point(tmp_path):
    tasks = [(k, str(tmp_path / "marker")) for k in range(10)]
    found = dict(outcomes(_deadly, tasks, workers=2))
    assert sorted(found) == list(range(10))
    assert {k: v for k, v in found.items() if k not in (3, 7)} == {k: k * k for k in range(10) if k not in (3, 7)}
    assert found[3].kind == "WorkerDied"
    assert str(found[7]) == "ArithmeticError: no such number"
    assert isinstance(found[7], Failure)


def _sweep_process(folder, *more):
    code = "import sys; from asymptotics.cli import main; sys.exit(main(sys.argv[1:]))"
    grid = ["--over", "training.tau=0.1:4.0:30", "--over", "training.learning_rate=0.05,0.1"]
    arguments = ["sweep", "three-clusters", *grid, "--out", str(folder), *more]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _wait_for_points(folder, count, process):
    """However slow the machine is."""
    while len(list(folder.glob("points/*.json"))) < count:
        assert process.poll() is None, "the sweep made no progress"
        time.sleep(0.02)


def test_ctrl_c_says_how_to_go_on(tmp_path):
    process = _sweep_process(tmp_path, "--workers", "2")
    _wait_for_points(tmp_path, 3, process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"points are kept in" in error
    assert b"Traceback" not in error


@pytest.mark.slow
def test_dask_cluster_with_a_killed_worker_loses_nothing(tmp_path):
    """A real cluster of three worker processes; one is killed by SIGKILL in mid-sweep."""
    address = tmp_path / "scheduler.json"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    tool = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*tool, "--port", "0", "--no-dashboard", "--scheduler-file", str(address), "--host", "127.0.0.1"], **silent
    )
    tool = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(address), "--nthreads", "1"]
    workers = []
    try:
        workers = [subprocess.Popen([*tool, "--no-nanny", "--no-dashboard"], **silent) for _ in range(3)]
        end = time.monotonic() + 60
        while not address.exists() or not address.read_text().strip():
            assert time.monotonic() < end
            time.sleep(0.1)
        tcp = json.loads(address.read_text())["address"]
        folder = tmp_path / "dask"
        process = _sweep_process(folder, "--scheduler", tcp)
        _wait_for_points(folder, 5, process)
        assert len(list(folder.glob("points/*.json"))) < 60
        workers[0].kill()
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
        assert b"failed" not in out
    finally:
        for started in (*workers, scheduler):
            started.kill()
            started.wait()
    serial = _sweep_process(tmp_path / "serial", "--workers", "1")
    serial.communicate(timeout=300)
    assert serial.returncode == 0
    assert (folder / "table.csv").read_bytes() == (tmp_path / "serial" / "table.csv").read_bytes()
    assert len((folder / "table.csv").read_text().splitlines()) == 61


@pytest.mark.slow
def test_local_dask_cluster_and_wrong_address(tmp_path):
    process = _sweep_process(tmp_path / "local", "--scheduler", "local", "--workers", "2")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    process = _sweep_process(tmp_path / "nowhere", "--scheduler", "tcp://127.0.0.1:1")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.decode().count("\n") == 1


@pytest.mark.slow
def test_mpi_gives_the_same_numbers(tmp_path):
    """Three MPI processes by mpi4py.futures: the file of every point is that of a serial sweep, but for the seconds."""
    pytest.importorskip("mpi4py")
    launcher = shutil.which("mpiexec", path=f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    if launcher is None:
        pytest.skip("no mpiexec")
    script = tmp_path / "sweep.py"
    script.write_text(
        "import sys\nimport asymptotics as asy\nfrom mpi4py.futures import MPIPoolExecutor\n\n"
        "if __name__ == '__main__':\n"
        "    exp = asy.example('three-clusters').replace(simulation={'dimension': 200, 'runs': 2, 'samples': 20})\n"
        "    over = {'training.tau': [0.5, 1.0, 2.0], 'denoiser.hidden_units': [1, 2]}\n"
        "    with MPIPoolExecutor() as pool:\n"
        "        asy.sweep(exp, over, out=sys.argv[1], simulate=True, executor=pool)\n"
        "    asy.sweep(exp, over, out=sys.argv[2], simulate=True, workers=1)\n"
    )
    folders = [tmp_path / "mpi", tmp_path / "serial"]
    command = [launcher, "-n", "3", sys.executable, "-m", "mpi4py.futures", str(script), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    tables = [list(csv.DictReader((folder / "table.csv").read_text().splitlines())) for folder in folders]
    assert len(tables[0]) == 6
    for mpi, serial in zip(*tables, strict=True):
        assert mpi.keys() == serial.keys()
        assert [k for k in mpi if mpi[k] != serial[k] and "seconds" not in k] == []


@pytest.mark.slow
def test_a_derived_denoiser_travels(tmp_path):
    """A denoiser that no file describes: points are named by its equations."""
    import sympy

    from derivations import Denoiser, derive, local_field

    def experiment(power):
        model = Denoiser("power", ("u", "v"), [("u", sympy.tanh(local_field("v")) ** power)])
        return asy.Experiment(
            target={"centroids": [[1.0]]},
            denoiser={"system": derive(model), "init": {"centroids": 0.5}},
            training={"times": [0.5], "tau": 1.0, "learning_rate": 0.1},
        )

    grid = {"training.tau": [0.2, 0.3]}
    cubic = asy.sweep(experiment(3), grid, out=tmp_path, workers=2)
    assert cubic.errors == ["", ""]
    assert asy.sweep(experiment(3), grid, out=tmp_path, workers=1).reused == 2
    assert asy.sweep(experiment(5), grid, out=tmp_path, workers=1).reused == 0
