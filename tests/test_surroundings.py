"""Surroundings: full disks, encodings, backends, scripts without a guard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import asymptotics as asy
from asymptotics.common.output.letters import PLAIN

ROOT = Path(asy.__file__).parent.parent


def process(*arguments, python=False, **environment):
    """Another process, as a user starts one."""
    command = [sys.executable, *arguments] if python else [sys.executable, "-m", "asymptotics", *arguments]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=300, check=False)


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
        "from asymptotics.common.numerics.code import codegen;"
        "m = codegen.load_module('def f(x):\\n    return 2.0 * x\\n'); n = codegen.load_module('def g(x):\\n    return 3.0 * x\\n');"
        "print(m.f(2.0) + n.g(2.0))"
    )
    done = process("-c", code, python=True, ASYMPTOTICS_CACHE_DIR=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (0, "10.0\n")
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []
