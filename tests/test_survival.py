"""Long work survives: killed at random moments, interrupted, resumed; the answer is that of an undisturbed run, bit for bit."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes the POSIX way")

# One process that has compiled everything forks children, which do the work on processes of their own and are killed.
DRIVER = """
import contextlib, dataclasses, os, pathlib, random, signal, sys, time
import numpy as np
import asymptotics as asy

SMALL = {"dimension": 800, "runs": 2, "samples": 200}


def simulated(folder):
    return asy.simulate("three-clusters", checkpoint=folder, checkpoint_every=0.02, workers=2, progress=False, **SMALL)


def chained(folder):
    # The chain in R^d alone: with the theory before it, which is quick and keeps nothing, most kills would hit that.
    from asymptotics.autoencoder.collapse.process import simulate_generations
    small = {"dimension": 400, "runs": 3, "samples": 100}
    problem = asy.example("three-clusters").replace({"generations.count": 3}, simulation=small).problem
    return kept_in(folder, lambda keep: simulate_generations(problem, workers=2, progress=False, checkpoint=keep))


def reduced(folder):
    from asymptotics.autoencoder.finite_size import reduced_chain
    problem = asy.example("three-clusters").problem
    options = {"dimension": 100_000, "runs": 3, "workers": 2, "progress": False}
    return kept_in(folder, lambda keep: reduced_chain.simulate(problem, checkpoint=keep, **options))


def kept_in(folder, work):
    from asymptotics.common.running.checkpoints import Checkpoint
    if folder is None:
        return work(None)
    with Checkpoint(folder, {}, 0.02) as keep:
        return work(keep)


def arrays(result):
    found = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    found |= {f"{part} {name}": value for part in ("main", "low") for name, value in found[part].arrays.items()}
    return {k: v for k, v in found.items() if isinstance(v, np.ndarray)}


work, folder, kills = globals()[sys.argv[1]], sys.argv[2], int(sys.argv[3])
work(None)
begun = time.monotonic()
expected = arrays(work(None))
longest = 0.4 * (time.monotonic() - begun)
rng = random.Random(1)
killed = 0


def kept():
    # What is kept, and when it was written (a file may be replaced while this looks).
    found = {}
    for path in pathlib.Path(folder).rglob("*.npz"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


for attempt in range(kills):
    before = kept()
    child = os.fork()
    if child == 0:
        work(folder)
        os._exit(0)
    # Every second one is killed after it has kept something, however slow the machine is.
    while attempt % 2 and kept() == before and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, longest))
    os.kill(child, signal.SIGKILL)
    killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
kept = kept()
answer = arrays(work(folder))
for name, value in expected.items():
    assert value.dtype == answer[name].dtype and value.tobytes() == answer[name].tobytes(), name
left = [name for _, _, files in os.walk(folder) for name in files if name.endswith(".part")]
assert not left, left
print(len(expected), killed, len(kept), f"{longest:.2f}")
"""


@pytest.mark.parametrize(
    ("work", "moments"),
    [
        ("simulated", 4),
        *(pytest.param(work, 20, marks=pytest.mark.slow) for work in ("simulated", "chained", "reduced")),
    ],
)
def test_killed_at_random_moments(tmp_path, work, moments):
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, work, str(tmp_path / "keep"), str(moments)],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    compared, killed, kept = map(int, done.stdout.split()[:3])
    assert compared >= 5 and killed >= moments // 4 and kept >= 1, done.stdout
    _no_orphans(tmp_path)


def _no_orphans(folder: Path) -> None:
    """The workers of the killed processes are gone too."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        names = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                names.append((process / "cmdline").read_bytes())
            except OSError:
                continue
        if not any(str(folder).encode() in name for name in names):
            return
        time.sleep(0.2)
    raise AssertionError("worker processes outlive the process that was killed")


def _command(*arguments):
    return [sys.executable, "-m", "asymptotics", *arguments]


def _wait(process, condition):
    """However slow the machine is: until it holds, or the process has ended, which it must not."""
    while not condition():
        assert process.poll() is None
        time.sleep(0.02)


LONG = ["three-clusters"]
for change in ("simulation.dimension=2000", "simulation.runs=6", "simulation.samples=20", "training.tau=1"):
    LONG += ["--set", change]


@pytest.mark.ci
def test_ctrl_c_says_how_to_go_on_and_loses_nothing(tmp_path):
    """Twice, as a terminal sends it to all processes and as ``kill`` does to one: the third run ends as an undisturbed one."""
    keep, out, plain = tmp_path / "keep", tmp_path / "out.npz", tmp_path / "plain.npz"
    assert subprocess.run(_command("simulate", *LONG, "--save", str(plain)), capture_output=True).returncode == 0
    options = [*LONG, "--checkpoint", str(keep), "--save", str(out)]
    for group in (True, False):
        there = len(list(keep.glob("run-*.npz")))
        process = subprocess.Popen(
            _command("simulate", *options), stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        _wait(process, lambda there=there: len(list(keep.glob("run-*.npz"))) > there)
        if group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=300)[1]
        assert process.returncode == 130, error
        # (On a busy machine a run has been announced as long before.)
        (last,) = [line for line in error.splitlines() if "at this pace" not in line]
        assert "the same command goes on from there" in last and str(keep) in last, error
        assert not out.exists() and list(keep.glob("run-*.state.npz"))
    assert subprocess.run(_command("simulate", *options), capture_output=True).returncode == 0
    with np.load(out) as a, np.load(plain) as b:
        assert a.files == b.files and len(a.files) > 5
        for name in set(a.files) - {"__meta__"}:
            assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.ci
def test_ctrl_c_without_a_checkpoint_says_so(tmp_path):
    process = subprocess.Popen(
        _command("simulate", *LONG, "--verbose"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    while "run 0 done" not in process.stderr.readline():
        pass
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and "nothing is kept" in error and "Traceback" not in error


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.ci
def test_a_killed_worker_is_one_line_and_loses_only_its_own_run(tmp_path):
    keep = tmp_path / "keep"
    command = _command("simulate", *LONG, "--checkpoint", str(keep), "--checkpoint-every", "0.1", "--workers", "2")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        _wait(process, lambda: [p for p in keep.glob("run-*.npz") if "state" not in p.name])
        os.kill(_children(process.pid)[0], signal.SIGKILL)
        error = process.communicate(timeout=300)[1]
    assert process.returncode == 3
    assert error.count("\n") == 1 and "a worker process was killed" in error and "are kept in" in error, error
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_divergence_in_a_worker_is_one_line():
    changes = ["training.learning_rate=400", "training.weight_decay=0", "simulation.dimension=100", "simulation.runs=2"]
    options = [part for change in changes for part in ("--set", change)]
    done = subprocess.run(
        _command("simulate", "three-clusters", *options, "--set", "training.tau=8000", "--workers", "2"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "diverged" in done.stderr, done.stderr


def test_bad_checkpoints_are_one_line(tmp_path):
    def run(*more):
        done = subprocess.run(
            _command(
                "simulate", "three-clusters", "--set", "simulation.dimension=100", "--set", "simulation.runs=2", *more
            ),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
        return done.stderr

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    assert "holds other files (thesis.tex)" in run("--checkpoint", str(tmp_path / "mine"))
    assert "cannot be made" in run("--checkpoint", "/proc/no/such/folder")
    assert "checkpoint_every = -1" in run("--checkpoint", str(tmp_path / "new"), "--checkpoint-every", "-1")


SWEEP = """
import os, pathlib, signal, sys, time
import asymptotics as asy

OVER = {"training.tau": [0.5, 1.0], "simulation.seed": [0, 1, 2]}


def work(folder):
    exp = asy.example("three-clusters").replace(simulation={"dimension": 400, "runs": 2, "samples": 50})
    return asy.sweep(exp, OVER, out=folder, simulate=True, workers=2, progress=False)


def kept():
    return len(list(pathlib.Path(sys.argv[2]).glob("points/*.json")))


# Kernels are loaded here, so that they are there in every child.
asy.simulate("three-clusters", dimension=100, runs=2, workers=1)
asy.solve("three-clusters")
work(sys.argv[1])
for points in (1, 3):
    child = os.fork()
    if child == 0:
        work(sys.argv[2])
        os._exit(0)
    while kept() < points:
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
there = kept()
print(work(sys.argv[2]).reused == there >= 3)
"""


@pytest.mark.ci
def test_a_killed_sweep_goes_on(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(tmp_path / "plain"), str(tmp_path / "killed")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr

    def timeless(path):
        rows = list(csv.reader(path.read_text().splitlines()))
        return [[c for c, head in zip(row, rows[0], strict=True) if "seconds" not in head] for row in rows]

    assert timeless(tmp_path / "plain" / "table.csv") == timeless(tmp_path / "killed" / "table.csv")
    _no_orphans(tmp_path)
