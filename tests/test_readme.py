"""Every Python block of the README runs, and every command it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asymptotics.cli import _COMMANDS

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=[b.strip().splitlines()[-1][:40] for b in BLOCKS])
def test_python_blocks_run(block, capsys):
    exec(compile(block, "README", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out
    assert "FAIL" not in capsys.readouterr().out


def test_commands_exist():
    for command in re.findall(r"^asymptotics (\w+)", TEXT, flags=re.M):
        assert command in _COMMANDS


def test_tutorial_is_fifteen_lines():
    tutorial = next(b for b in BLOCKS if "gated" in b)
    assert len([line for line in tutorial.splitlines() if line.strip()]) <= 16
