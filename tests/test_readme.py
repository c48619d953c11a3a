"""Every Python block of the README runs, and every command it names exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import asymptotics
import derivations
from asymptotics.cli import commands, own_commands

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
SHELL = [b.strip() for b in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.S) if "-m venv" not in b]
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=[b.strip().splitlines()[-1][:40] for b in BLOCKS])
def test_python_blocks_run(block, capsys):
    exec(compile(block, "README", "exec"), {"__name__": "readme"})
    out = capsys.readouterr().out
    assert out and "FAIL" not in out


def test_readme_has_blocks():
    """Tests over what is found in a text pass where nothing is found."""
    assert len(BLOCKS) >= 2 and len(SHELL) >= 3
    assert any("compare" in block for block in BLOCKS)


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=[pytest.mark.slow] * (c.split()[1] != "sweep")) for c in SHELL]
)
def test_shell_blocks_run_as_printed(command, tmp_path):
    """The two commands that make an environment are run by `.ci/run`."""
    program, *arguments = shlex.split(command)
    assert program == "asymptotics"
    done = subprocess.run(
        [sys.executable, "-m", "asymptotics", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir())


def test_public_names_are_listed():
    section = TEXT[TEXT.index("| name | what it is |") :]
    section = section[: section.index("## ")]
    listed = set(re.findall(r"`(\w+)`", section))
    assert set(asymptotics.__all__) - {"__version__"} <= listed
    assert len(listed) > 10
    for name in listed - set(asymptotics.__all__) - {"asymptotics", "derivations"}:
        assert name in derivations.__all__


def test_files_that_are_linked_exist():
    targets = re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT)
    assert targets
    for target in targets:
        assert (README.parent / target).exists(), target


def test_commands_exist():
    named = re.findall(r"^asymptotics (\w+)", TEXT, flags=re.M)
    assert {"solve", "compare"} <= set(named)
    for command in named:
        assert command in commands() | own_commands()


def test_tutorial_is_fifteen_lines():
    tutorial = next(b for b in BLOCKS if "gated" in b)
    assert len([line for line in tutorial.splitlines() if line.strip()]) <= 16
