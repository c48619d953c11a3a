"""Where output goes: one rule for files, tables and pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.cli import main


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


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
