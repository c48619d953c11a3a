"""Checkpoint files and folders: equal bit for bit, or one clear error and the old file unharmed."""

import errno
import json
import multiprocessing
import os

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.output import files
from asymptotics.common.running import checkpoints
from asymptotics.common.running.checkpoints import Checkpoint, Keeper
from asymptotics.common.running.ensembles import Interrupted, run_ensemble, spawn
from asymptotics.common.running.kept import read, write

CONTENT = {
    "Q": np.array([[1.0, np.nan], [np.inf, 1 / 3]]),
    "scalar": np.float64(0.1),
    "step": 2**62,
    "tuple": (1.5, [None, True, "π"], np.arange(3, dtype=np.int64)),
    "empty": np.empty((0, 3)),
    "single": np.float32(0.1),
}


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes() and np.shape(a) == np.shape(b)
    else:
        assert a == b


def test_round_trip_is_bit_for_bit(tmp_path):
    path = write(tmp_path / "state.npz", CONTENT, "mark")
    same(read(path, "mark"), CONTENT)
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def test_another_experiment_is_refused(tmp_path):
    path = write(tmp_path / "state.npz", CONTENT, "mark")
    with pytest.raises(InputError, match="another experiment"):
        read(path, "other")


def test_what_cannot_be_kept_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="cannot keep a object"):
        write(tmp_path / "state.npz", {"x": object()}, "mark")
    assert not list(tmp_path.iterdir())


def test_truncated_and_foreign_files(tmp_path):
    path = write(tmp_path / "state.npz", CONTENT, "mark")
    whole = path.read_bytes()
    cut = tmp_path / "cut.npz"
    for length in [0, 1, 4, 100, len(whole) // 2, len(whole) - 22, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.npz: not a checkpoint"):
            read(cut, "mark")
        assert cut.read_bytes() == whole[:length]
    # One bit flipped in the middle of an array.
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0x10
    cut.write_bytes(damaged)
    with pytest.raises(InputError):
        read(cut, "mark")
    np.savez(tmp_path / "other.npz", x=np.arange(3))
    np.save(tmp_path / "array.npy", np.arange(3))
    (tmp_path / "text").write_text("hello")
    for name in ("other.npz", "array.npy", "text"):
        with pytest.raises(InputError, match="not a checkpoint"):
            read(tmp_path / name, "mark")
    files.write_arrays(tmp_path / "later.npz", {"class": "checkpoint", "format": 99, "content": None}, {})
    with pytest.raises(InputError, match="format 99"):
        read(tmp_path / "later.npz", "mark")


@pytest.mark.parametrize("where", ["write", "fsync", "replace", "mkstemp"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_or_read_only_disk_leaves_the_old_file(tmp_path, monkeypatch, where, number):
    path = write(tmp_path / "state.npz", {"x": 1}, "mark")
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    module, name = {
        "write": (np, "savez_compressed"),
        "fsync": (os, "fsync"),
        "replace": (os, "replace"),
        "mkstemp": (files.tempfile, "mkstemp"),
    }[where]
    monkeypatch.setattr(module, name, fail)
    with pytest.raises(InputError, match=os.strerror(number)):
        write(path, {"x": 2}, "mark")
    monkeypatch.undo()
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def _write_too_much(path, limit, answer):
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write(path, {"x": np.random.default_rng(0).standard_normal(100_000)}, "mark")
    except InputError as error:
        answer.send(str(error))
    else:
        answer.send("written")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs limits of file sizes")
def test_a_disk_that_ends_in_the_middle_of_a_file(tmp_path):
    """No room for the whole file, by the operating system itself: the system call that writes fails half-way."""
    path = write(tmp_path / "state.npz", {"x": 1}, "mark")
    before = path.read_bytes()
    kind = multiprocessing.get_context("spawn")
    here, there = kind.Pipe()
    child = kind.Process(target=_write_too_much, args=(path, 50_000, there))
    child.start()
    assert here.poll(60) and "cannot be written (File too large)" in here.recv()
    child.join()
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def test_folder_of_another_experiment_names_the_key(tmp_path):
    with Checkpoint(tmp_path / "keep", {"experiment": {"training": {"tau": 4.0}}}):
        pass
    with (
        pytest.raises(InputError, match=r"experiment\.training\.tau was 4\.0, is 2\.0"),
        Checkpoint(tmp_path / "keep", {"experiment": {"training": {"tau": 2.0}}}),
    ):
        pass
    with Checkpoint(tmp_path / "keep", {"experiment": {"training": {"tau": 4.0}}}):
        pass


def test_folders_that_are_no_checkpoint(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / checkpoints.MANIFEST).write_text('{"asymptotics": "ch')
    for name, said in [("mine", "holds other files"), ("file", "cannot be made"), ("broken", "not a checkpoint")]:
        with pytest.raises(InputError, match=said), Checkpoint(tmp_path / name, {}):
            pass
    assert (tmp_path / "broken" / checkpoints.MANIFEST).read_text() == '{"asymptotics": "ch'
    assert sorted(p.name for p in (tmp_path / "mine").iterdir() if p.name != ".lock") == ["thesis.tex"]
    with pytest.raises(InputError, match="checkpoint_every = -1"):
        Checkpoint(tmp_path / "x", {}, every=-1)


def test_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.1)
    with (
        Checkpoint(tmp_path / "keep", {}),
        pytest.raises(InputError, match="in use by another process"),
        Checkpoint(tmp_path / "keep", {}),
    ):
        pass
    with Checkpoint(tmp_path / "keep", {}):
        pass


def test_leftovers_of_a_killed_process_go(tmp_path):
    with Checkpoint(tmp_path / "keep", {}) as keep:
        keep.run(0, "part")
    left = tmp_path / "keep" / "part" / "run-00000.npz.abc.part"
    left.write_bytes(b"half")
    with Checkpoint(tmp_path / "keep", {}):
        assert not left.exists()


def _draw(seed, log):
    with open(log, "a") as file:
        file.write(".")
    return {"x": np.random.default_rng(seed).standard_normal(3)}


@pytest.mark.parametrize("workers", [1, 2])
def test_finished_runs_are_not_run_again(tmp_path, workers):
    seeds, log = spawn(0, 5), tmp_path / "log"
    with Checkpoint(tmp_path / "keep", {}) as keep:
        first = run_ensemble(_draw, seeds[:3], log, workers=workers, checkpoint=keep)
    assert log.read_text() == "..."
    with Checkpoint(tmp_path / "keep", {}) as keep:
        again = run_ensemble(_draw, seeds, log, workers=workers, checkpoint=keep)
    assert log.read_text() == "....."
    plain = run_ensemble(_draw, seeds, log, workers=1)
    for a, b in zip([*first, *again], [*plain[:3], *plain], strict=True):
        same(a, b)


def test_damaged_run_is_named_and_kept(tmp_path):
    with Checkpoint(tmp_path / "keep", {}) as keep:
        run_ensemble(_draw, spawn(0, 2), tmp_path / "log", workers=1, checkpoint=keep)
        path = tmp_path / "keep" / "run-00001.npz"
        path.write_bytes(path.read_bytes()[:-7])
        before = path.read_bytes()
        with pytest.raises(InputError, match=r"run-00001\.npz: not a checkpoint"):
            run_ensemble(_draw, spawn(0, 2), tmp_path / "log", workers=1, checkpoint=keep)
    assert path.read_bytes() == before


def _interrupted_in_the_third(seed):
    if seed.spawn_key[-1] == 2:
        raise KeyboardInterrupt
    return {"x": 1}


def test_ctrl_c_says_what_is_kept(tmp_path):
    with (
        Checkpoint(tmp_path / "keep", {}) as keep,
        pytest.raises(Interrupted, match=r"2 of 4 runs are kept in .*keep: the same command goes on"),
    ):
        run_ensemble(_interrupted_in_the_third, spawn(0, 4), workers=1, checkpoint=keep)
    with pytest.raises(Interrupted, match="after 2 of 4 runs; nothing is kept"):
        run_ensemble(_interrupted_in_the_third, spawn(0, 4), workers=1)


def test_manifest_says_what_is_kept(tmp_path):
    with Checkpoint(tmp_path / "keep", {"verb": "simulate", "data": np.arange(4)}):
        found = json.loads((tmp_path / "keep" / checkpoints.MANIFEST).read_text())
    assert found["asymptotics"] == "checkpoint" and found["verb"] == "simulate" and found["data"]["shape"] == [4]


def test_a_state_is_kept_now_and_then_and_when_the_work_stops():
    kept: list[int] = []
    for every, expected in ((1e9, [2]), (-1.0, [1, 2, 2])):
        kept.clear()
        with pytest.raises(KeyboardInterrupt), Keeper(kept.append, every) as keep:
            for step in (1, 2):
                keep(lambda step=step: step)
            raise KeyboardInterrupt
        assert kept == expected
    kept.clear()
    with pytest.raises(ValueError, match="early"), Keeper(kept.append, last=0):
        raise ValueError("early")
    assert kept == [0]
    with Keeper(None) as keep:
        keep(lambda: pytest.fail("nothing is kept: no copy is made"))
