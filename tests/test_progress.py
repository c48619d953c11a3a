"""Bars and logs: on a terminal with rate and time left, silent elsewhere, never on standard output."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

SMALL = [
    "three-clusters",
    "--set",
    "simulation.dimension=300",
    "--set",
    "simulation.runs=2",
    "--set",
    "simulation.samples=10",
    "--set",
    "training.tau=0.5",
]


def on_a_terminal(*arguments):
    """Standard output, and what a terminal on standard error shows."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "asymptotics", *arguments], stdout=subprocess.PIPE, stderr=there, close_fds=True
    ) as process:
        os.close(there)
        seen = b""
        while True:
            try:
                chunk = os.read(here, 4096)
            except OSError:  # the terminal is gone with its last user
                break
            if not chunk:
                break
            seen += chunk
        assert process.stdout is not None
        out = process.stdout.read().decode()
    os.close(here)
    assert process.returncode == 0, seen.decode()
    return out, seen.decode()


@pytest.mark.parametrize(
    ("arguments", "bars"),
    [
        (["compare", *SMALL, "--workers", "2"], ["order parameters", "d = 300"]),
        (["sweep", "one-step", "--over", "one_step.samples=150,200", "--out", "OUT"], ["sweep"]),
        (["derive", "tied"], ["deriving"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
@pytest.mark.ci
def test_bars_with_rate_and_time_left(arguments, bars, tmp_path):
    out, seen = on_a_terminal(*[str(tmp_path / "out") if a == "OUT" else a for a in arguments])
    for name in bars:
        assert f"{name}: " in seen, seen
    assert re.search(r"\d\d:\d\d", seen) and re.search(r"/s|\?\w+/s|s/\w+", seen)
    assert "\x1b" not in out and "|" not in out.split("\n")[0]


def test_quiet_and_pipes_show_nothing(capfd):
    small = ["one-step", "--set", "simulation.runs=2"]
    assert on_a_terminal("simulate", *small, "--quiet")[1] == ""
    done = subprocess.run([sys.executable, "-m", "asymptotics", "simulate", *small], capture_output=True)
    assert done.returncode == 0 and done.stderr == b""


@pytest.mark.ci
def test_verbose_says_what_is_done():
    out, seen = on_a_terminal("compare", *SMALL, "--verbose", "--json", "--workers", "1")
    assert out.startswith("{") and out.count("\n") == 1
    for said in ("experiment three-clusters", "nodes chosen", "solved with", "run 0 done"):
        assert said in seen
