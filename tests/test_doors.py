"""What meets a new user: the list of keys, a template, help, completion, outputs; and never a traceback from the surroundings."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.cli.reference import keys
from asymptotics.common.numerics import cache
from asymptotics.common.output.letters import PLAIN
from asymptotics.common.running import progress
from asymptotics.experiment import SYSTEMS, all_systems, system_of

ROOT = Path(asy.__file__).parent.parent


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def process(*arguments, python=False, **environment):
    """Another process, as a user starts one."""
    command = [sys.executable, *arguments] if python else [sys.executable, "-m", "asymptotics", *arguments]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=300, check=False)


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_every_key_of_every_table_is_in_the_reference():
    """Fields of the settings, those of tables within tables too, and nothing else; each with a meaning and a type."""
    found = {(key.system, key.table, key.name): key for key in keys()}
    for system in all_systems():
        for table, kind in system.tables.items():
            names = kind.KEYS if not hasattr(kind, "__dataclass_fields__") else asy.places.keys_of(kind)
            assert {name for s, t, name in found if (s, t) == (system.name, table)} == set(names) - {"init"}
    assert ("autoencoder", "denoiser.init", "Theta") in found
    for key in found.values():
        assert key.meaning, key
        assert key.kind, key
    eta = found["autoencoder", "training", "learning_rate"]
    assert (eta.symbol, eta.required, eta.default) == ("η", True, "")
    assert "eta" in eta.also
    assert found["autoencoder", "simulation", "dimension"].default == "1000"
    assert found["autoencoder", "denoiser", "activation"].default == '"tanh"'


def test_further_names_are_no_keys_of_their_own():
    """A name understood for one key must not hide another of the same table."""
    for system in all_systems():
        for table, kind in system.tables.items():
            taken: dict[str, str] = {}
            for key in keys(f"{system.name}.{table}"):
                if key.table == table and hasattr(kind, "also"):
                    for name in key.also:
                        assert taken.setdefault(name, key.name) == key.name, (table, name)


def test_keys_are_printed_by_place(capsys):
    status, out, _ = run(capsys, "keys", "autoencoder.training")
    assert status == 0
    assert "learning_rate (required)  η" in out
    assert "denoiser" not in out
    listed = json.loads(run(capsys, "keys", "simulation", "--json")[1])
    assert {entry["system"] for entry in listed} == set(SYSTEMS)
    status, _, err = run(capsys, "keys", "autoencoder.trainig")
    assert (status, "did you mean autoencoder.training?" in err) == (2, True)
    assert run(capsys, "keys", "training.eta")[0] == 2


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_template_is_an_experiment(system, tmp_path, capsys):
    file = tmp_path / "mine.toml"
    assert run(capsys, "init", str(file), "--system", system)[0] == 0
    made, wanted = asy.load(file), asy.example(system_of(system).example)
    assert {name: table for name, table in made.tables.items() if table} == wanted.tables
    text = file.read_text()
    for key in keys(system):
        assert f"\n{key.name} = " in text or f"\n# {key.name} = " in text
    status, _, err = run(capsys, "init", str(file))
    assert (status, "never overwritten" in err) == (2, True)
    assert file.read_text() == text


# ---- help and completion --------------------------------------------------------------------------------------------


def test_help_without_an_experiment_has_the_options_of_every_system(capsys):
    status, out, _ = run(capsys, "solve", "--help")
    assert status == 0
    for system in all_systems():
        assert f"of the system {system.name}:" in out
        for option in system.verbs["solve"].options:
            assert option.kind is object or option.spelling in out
    assert "compare " in run(capsys, "--help")[1]


def test_completion(capsys):
    if importlib.util.find_spec("shtab") is None:
        status, _, err = run(capsys, "completion", "bash")
        assert (status, "asymptotics[completion]" in err) == (2, True)
        return
    out = run(capsys, "completion", "bash")[1]
    for word in ("--kernel-limit", "three-clusters", "--tau", "collapse"):
        assert word in out
    if shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=out, text=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "1"], "--at: unknown option of solve for the system autoencoder"),
        (["--within", "0.1"], "an option of solve for the system score_smoothing"),
        (["--companion", "1"], "--companion"),
        (["--taw", "1"], "did you mean --tau?"),
        (["--dimension", "20"], "a key of the experiment: [simulation] dimension"),
        (["more"], "the command solve takes one experiment"),
    ],
)
def test_options_that_belong_elsewhere(arguments, said, capsys):
    status, out, err = run(capsys, "solve", "three-clusters", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_tau_acts_in_text_too(capsys):
    out = run(capsys, "solve", "three-clusters", "--tau", "1,3")[1]
    assert [line.split()[2] for line in out.splitlines() if line.startswith("tau = ")] == ["1", "3"]
    out = run(capsys, "solve", "linear-power-law", "--tau", "0.5,2")[1]
    answer = json.loads(run(capsys, "solve", "linear-power-law", "--tau", "0.5,2", "--json")[1])
    (line,) = [line for line in out.splitlines() if line.startswith("  at tau")]
    assert line.split("at tau")[1].strip() == ", ".join(
        f"{t:g}: {loss:.6g}" for t, loss in zip((0.5, 2.0), answer["stopping"]["loss"], strict=True)
    )


# ---- outputs --------------------------------------------------------------------------------------------------------


def test_one_rule_for_outputs(tmp_path, capsys):
    """A file of that kind is overwritten, and said so; any other is refused before any work, and left as it is."""
    for option, name, other in (
        ("--plot", "p.png", b"hello"),
        ("--save", "p.npz", b"PK\x03\x04"),
        ("--save", "q.npz", None),
    ):
        path = tmp_path / name
        command = ["solve", "one-step", option, str(path)]
        if other is None:
            np.savez(path, x=np.ones(3))
            other = path.read_bytes()
        path.write_bytes(other)
        status, out, err = run(capsys, *command)
        assert (status, out) == (2, "")
        assert "move it away" in err
        assert path.read_bytes() == other
        path.unlink()
        assert f"\nwrote {path}" in run(capsys, *command)[1]
        assert f"\noverwrote {path}" in run(capsys, *command)[1]
        status, out, err = run(capsys, *command, "--json")
        assert json.loads(out)
        assert err == f"overwrote {path}\n"
    readme = tmp_path / "README.md"
    readme.write_text("# mine\n\nText.\n")
    assert run(capsys, "derive", "tied", "--report", str(readme))[0] == 2
    readme.unlink()
    assert "wrote " in run(capsys, "derive", "tied", "--report", str(readme))[1]
    assert "overwrote " in run(capsys, "derive", "tied", "--report", str(readme))[1]


def test_a_sweep_is_drawn_and_becomes_a_dataset(tmp_path, capsys):
    command = [
        "sweep",
        "one-step",
        "--over",
        "one_step.samples=200,300",
        "--out",
        str(tmp_path / "s"),
        "--workers",
        "1",
    ]
    status, out, _ = run(capsys, *command, "--plot", str(tmp_path / "s.png"), "--columns", "kl_target_generated")
    assert status == 0
    assert out.endswith(f"wrote {tmp_path / 's.png'}\n")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "t.png").write_text("no picture")
    assert run(capsys, *command, "--plot", str(tmp_path / "t.png"))[0] == 2
    pytest.importorskip("xarray")
    over = {"one_step.samples": [200, 300], "one_step.diffusion_time": [1.0, 2.0, 3.0]}
    found = asy.sweep("one-step", over, out=tmp_path / "s", workers=1).to_xarray()
    assert dict(found.sizes) == {"one_step.samples": 2, "one_step.diffusion_time": 3}
    one = asy.solve(asy.example("one-step").replace({"one_step.samples": 300, "one_step.diffusion_time": 2.0}))
    at = found["kl_target_generated"].sel({"one_step.samples": 300, "one_step.diffusion_time": 2.0})
    assert float(at) == one.kl_target_generated
    along = asy.solve("binary-mixture").to_xarray()
    assert along.sizes["t"] == 101
    assert float(along["M"].sel(t=1.0)) > 0


# ---- surroundings ---------------------------------------------------------------------------------------------------


def test_a_full_disk_under_standard_output_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "asymptotics", "examples"], stdout=full, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "asymptotics: error: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_an_encoding_does_not_have(encoding):
    done = subprocess.run(
        [sys.executable, "-m", "asymptotics", "keys", "autoencoder.training"], capture_output=True, timeout=60, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == b""
    assert "learning_rate (required)  eta" in done.stdout.decode(encoding)


def test_plain_letters_are_plain():
    assert all(plain.isascii() for plain in PLAIN.values())


def test_a_backend_that_is_not_there_does_not_matter_to_files(tmp_path):
    """A notebook leaves the name of its backend to whatever it starts."""
    backend = "module://no_such_package.backend_inline"
    done = process("solve", "one-step", "--plot", str(tmp_path / "x.png"), MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


SCRIPT = """
import threading, time
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()  # processes are then spawned, not forked
import asymptotics as asy
print("once")
exp = asy.example("one-step").replace({"one_step.dimension": 6, "one_step.samples": 40, "simulation.runs": 2})
print(asy.simulate(exp, workers=2, progress=False).runs)
"""

POOL = """
import multiprocessing
import asymptotics as asy

def task(k):
    exp = asy.example("one-step").replace({"one_step.dimension": 6, "one_step.samples": 40, "simulation.runs": 2})
    return asy.simulate(exp, workers=2, progress=False).probability

if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        print(len(pool.map(task, range(1))))
"""


def test_a_script_without_a_guard_runs_once(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = process(str(tmp_path / "script.py"), python=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n2\n", "")


def test_workers_inside_a_pool(tmp_path):
    (tmp_path / "script.py").write_text(POOL)
    done = process(str(tmp_path / "script.py"), python=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_full_disk_under_the_cache_is_said_once(tmp_path):
    """Files of the cache cannot be written: all is compiled, and the numbers are there."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from asymptotics.common.numerics import codegen;"
        "m = codegen.load_module('def f(x):\\n    return 2.0 * x\\n'); n = codegen.load_module('def g(x):\\n    return 3.0 * x\\n');"
        "print(m.f(2.0) + n.g(2.0))"
    )
    done = process("-c", code, python=True, ASYMPTOTICS_CACHE_DIR=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (0, "10.0\n")
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


# ---- nothing of another user is run ---------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch):
    """Decisions about folders are made anew."""
    monkeypatch.setattr(cache, "_safe", {})


def test_a_new_cache_is_private(tmp_path, monkeypatch, fresh):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "a" / "cache"))
    found = cache.cache_directory()
    assert found == tmp_path / "a" / "cache"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o775])
def test_nothing_is_run_from_a_folder_that_others_can_write(tmp_path, monkeypatch, fresh, caplog, mode):
    """What was planted there is not read; kernels go to a new private folder, which is said once."""
    from asymptotics.common.numerics import codegen

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(shared))
    key = codegen.source_key("asymptotics.common.numerics.cache", also="planted")
    planted = "raise SystemExit('planted')\n"
    (shared / f"source_{key}.txt").write_text(f"{codegen._mark(planted)}\n{planted}")
    with caplog.at_level(logging.WARNING):
        text = codegen.cached_source("planted", ["asymptotics.common.numerics.cache"], lambda: "x = 1\n")
        found = cache.cache_directory()
    assert text == "x = 1\n"
    assert found != shared
    assert found.parent != shared
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert [record.getMessage().count("can be written by others") for record in caplog.records] == [1]


def test_a_folder_of_another_user_or_below_an_open_one_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "open" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    assert cache.refusal(folder) == ""
    folder.parent.chmod(0o777)
    assert "can be replaced by others" in cache.refusal(folder)
    folder.parent.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert "another user" in cache.refusal(folder)


def test_the_users_own_folder_is_tightened_and_emptied(tmp_path, monkeypatch, fresh):
    """The default folder, left open by an earlier version's umask: what was in it is not trusted."""
    import platformdirs

    folder = tmp_path / "asymptotics"
    folder.mkdir()
    folder.chmod(0o775)
    (folder / f"source_{'0' * 24}.txt").write_text("planted")
    (folder / "mine.txt").write_text("kept")
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda _: str(folder))
    assert cache.cache_directory() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


# ---- how long it takes ----------------------------------------------------------------------------------------------


def test_long_work_without_a_bar_says_how_long_it_takes(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar(100, "work", unit="run") as watch:
        for k in range(10):
            now[0] = 3.0 + 10.0 * k  # what is compiled before the first step does not count
            watch.update()
    # 10 s a run: after the second run 98 are left, 980 s.
    assert [record.getMessage() for record in caplog.records] == [
        "work: about 16 minutes more at this pace (2 of 100 run after 10 s); Ctrl-C stops it"
    ]


@pytest.mark.parametrize(("pace", "enabled"), [(0.5, None), (10.0, False)])
def test_short_work_and_hidden_bars_say_nothing(monkeypatch, caplog, pace, enabled):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar(100, "work", enabled=enabled, unit="run") as watch:
        for k in range(100):
            now[0] = pace * k
            watch.update()
    assert caplog.records == []


def test_bars_show_in_a_notebook(monkeypatch):
    from types import SimpleNamespace

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert progress.in_notebook()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # the widgets are not installed: a bar of text
    with progress.bar(3, "work", unit="run") as watch:
        assert not watch.disable
