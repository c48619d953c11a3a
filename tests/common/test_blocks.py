"""Blocks of arrays in compiled code, and turns of processes that compile."""

import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from numba import float64, int64

from asymptotics.common.numerics.code.blocks import Block, Cube, Integers, Matrix, Vector, block
from asymptotics.common.numerics.code.compiled import njit
from asymptotics.common.numerics.code.turns import Turn


@dataclass(frozen=True)
class Few(Block):
    """A few arrays."""

    a: Vector
    n: Integers
    m: Matrix
    t: Cube


@njit(float64(block(Few), int64), nogil=True)
def total(few, factor):
    """Sums with weights that tell every entry's place."""
    value = 0.0
    for i in range(few.t.shape[0]):
        for j in range(few.t.shape[1]):
            for k in range(few.t.shape[2]):
                value += few.t[i, j, k] * few.m[j, k] * few.a[i] * few.n[j]
    few.a[0] += factor
    return value


def _arrays(rng):
    return {
        "a": rng.normal(size=2),
        "n": rng.integers(1, 9, 3),
        "m": rng.normal(size=(3, 4)),
        "t": rng.normal(size=(2, 3, 4)),
    }


@pytest.mark.parametrize("made", [lambda arrays: Few(**arrays), lambda arrays: Few.packed(**arrays)])
def test_compiled_code_reads_and_writes_every_array(made):
    arrays = _arrays(np.random.default_rng(0))
    few = made({name: value.copy() for name, value in arrays.items()})
    wanted = np.einsum("ijk,jk,i,j", arrays["t"], arrays["m"], arrays["a"], arrays["n"])
    assert total(few, 5) == pytest.approx(wanted, rel=1e-12)
    assert few.a[0] == arrays["a"][0] + 5
    # Another process, or another array in the place of one, has addresses of its own.
    for other in (pickle.loads(pickle.dumps(few)), few.replaced(n=2 * arrays["n"])):
        assert other.address != few.address
        assert total(other, 0) == pytest.approx(other.n[1] / few.n[1] * total(few, 0), rel=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"a": np.zeros(2, np.float32)}, {"m": np.zeros((4, 3)).T}, {"n": np.zeros((3, 1), np.int64)}]
)
def test_arrays_that_compiled_code_would_misread_are_refused(wrong):
    few = Few(**_arrays(np.random.default_rng(1)) | wrong)
    with pytest.raises(TypeError, match=next(iter(wrong))):
        total(few, 0)


FUNCTION = """from asymptotics.common.numerics.code import codegen
module = codegen.load_module('''from asymptotics.common.numerics.code.compiled import njit


@njit("float64(float64)", cache=True)
def f(x):
    return 3.0 * x
''')
print(module.f(2.0), sum(module.f.stats.cache_misses.values()))
"""


def test_of_several_processes_one_compiles(tmp_path, monkeypatch):
    monkeypatch.setenv("ASYMPTOTICS_CACHE_DIR", str(tmp_path))
    every = [subprocess.Popen([sys.executable, "-c", FUNCTION], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[0].split() for process in every]
    assert [value for value, _ in said] == ["6.0"] * 3
    assert sorted(int(misses) for _, misses in said) == [0, 0, 1]


def test_a_turn_ends_with_whoever_has_it(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "it.lock"
    holder = "\n".join(
        [
            "from pathlib import Path",
            "from asymptotics.common.numerics.code.turns import Turn",
            f"Turn(Path({str(path)!r})).taken()",
            "print(1, flush=True)",
            "input()",
        ]
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.kill()
    turn = Turn(path)
    assert not turn.taken()
    turn.over()
    assert not turn.taken() and not Turn(tmp_path / "other.lock").taken()
