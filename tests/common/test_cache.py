"""What is kept on disk is found again only by the same code, from any thread, and whole."""

import ast
import gc
import importlib
import logging
import math
import os
import pkgutil
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import asymptotics
import derivations
from asymptotics.common.numerics.code import cache, codegen, compiled, sources
from asymptotics.common.numerics.code.cache import CACHE_VARIABLE, OURS, prune

ROOT = Path(asymptotics.__file__).parent
SOURCE = """from asymptotics.common.numerics.code.compiled import njit


@njit("float64(float64)", cache=True)
def f(x):
    return 2.0 * x + {}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, of its own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    yield tmp_path / "cache"
    forget(tmp_path)


def forget(folder):
    """Let go of the modules loaded from a folder."""
    for name, module in list(sys.modules.items()):
        if name.startswith("asymptotics_kernel_") and Path(module.__file__).is_relative_to(folder):
            del sys.modules[name]


def fresh(source):
    """The module as the next process would load it."""
    forget(cache.cache_directory())
    return codegen.load_module(source)


def compiled_functions():
    """Every numba function of the package that is kept on disk."""
    found = {}
    for info in pkgutil.walk_packages(asymptotics.__path__, "asymptotics."):
        if not info.name.endswith("__main__"):
            for value in vars(importlib.import_module(info.name)).values():
                if hasattr(value, "py_func") and hasattr(value, "_cache"):
                    found[value.py_func] = value
    return list(found.values())


def called(function):
    """Numba functions that a compiled function calls."""
    seen = [function.__globals__.get(name) for name in function.__code__.co_names]
    return [value for value in seen if hasattr(value, "py_func")]


def test_key_of_a_compiled_function_holds_every_function_it_calls():
    functions = compiled_functions()
    assert len(functions) > 30
    across = 0
    for one in functions:
        known = sources.closure([one.py_func.__module__])
        todo, seen = [one.py_func], set()
        while todo:
            function = todo.pop()
            if function not in seen:
                seen.add(function)
                assert function.__module__ in known, f"{one.py_func.__name__} calls {function.__module__}"
                across += function.__module__ != one.py_func.__module__
                todo += [other.py_func for other in called(function)]
    assert across > 5


def test_numba_is_not_asked_to_look_at_one_file():
    """``njit`` comes from `compiled`, in modules and in generated sources."""
    checked = 0
    for path in ROOT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "compiled.py" and "njit" in text:
            checked += 1
            assert "from numba import njit" not in text and "numba.njit" not in text.replace("``numba.njit``", ""), path
    assert checked > 10


def imports_by_the_parser(text, package):
    """What Python's own parser says that a text imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            yield from ((".".join([*above, *filter(None, [node.module])]), alias.name) for alias in node.names)


def test_searched_imports_are_those_of_the_parser():
    """Of every file of the project, and of what its formatter would not leave: none is missed."""
    odd = (
        "if x: import a.b as c, d",
        "from . import (x as y,  # why (not)\n    z,\n)\n",
        "import a; from b import c\nfrom ..q import *",
        "def f():\n    from a.b \\\n        import d, \\\n        e\n",
        "from a import(b)\nimport\tc",
    )
    folders = [ROOT, Path(derivations.__file__).parent]
    files = [(path, folder) for folder in folders for ending in ("*.py", "*.pyi") for path in folder.rglob(ending)]
    texts = [(path.read_text(), ".".join(path.relative_to(folder.parent).parts[:-1])) for path, folder in files]
    assert len(texts) > 400
    for text, package in [*texts, *((text, "p.q") for text in odd)]:
        assert set(imports_by_the_parser(text, package)) <= set(sources._imported(text, package))


def test_closure_reads_every_way_to_import():
    found = sources.closure(["asymptotics.autoencoder.kernels.compile", "derivations"])
    # Relative, absolute, within a function, for type checkers only, and what those import in turn.
    for module in (
        "autoencoder.kernels.written.closed",
        "autoencoder.kernels.written.flow",
        "common.numerics.code.codegen",
        "common.numerics.code.sources",
    ):
        assert f"asymptotics.{module}" in found
    assert {
        "derivations.autoencoder.training.moments",
        "derivations.autoencoder.training.moment_terms",
        "derivations.autoencoder.engine",
        "derivations.vectors",
    } <= set(found)
    assert "asymptotics.cli" not in found
    # A package that loads its names on first use: one name is its module, the whole package all of them.
    assert "asymptotics.common.numerics.laws.normals" not in sources.closure_of_text(
        "from asymptotics import InputError"
    )
    assert "asymptotics.common.input.checks" in sources.closure_of_text("from asymptotics import InputError")
    assert "asymptotics.sweeps" in sources.closure_of_text("import asymptotics")
    assert sources.closure_of_text("import numpy\nfrom math import pi") == {}


def run(code, home, kept, **variables):
    """A new process with the packages in ``home``."""
    environment = {**os.environ, **variables, "PYTHONPATH": str(home), CACHE_VARIABLE: str(kept)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("module", "line", "code"),
    [
        # A helper in another file, called by a compiled function.
        (
            "asymptotics/common/numerics/laws/normals.py",
            ("return (np.float64(n) + 0.5) * 2.0**-53", "return 1.0 - (np.float64(n) + 0.5) * 2.0**-53"),
            "import numpy as np; from asymptotics.autoencoder.process.training.draws import choose\n"
            "out = np.empty(9, np.int64); choose(np.uint32(1), np.uint32(2), 0, 0, np.array([0.2, 0.5, 1.0]), out); print(out)",
        ),
        # A helper of a generated module.
        pytest.param(
            "asymptotics/common/numerics/code/closed_forms.py",
            ("left = c - u * v / a", "left = c + u * v / a"),
            "from asymptotics.common.numerics.code import codegen; print(codegen.load_module('from"
            " asymptotics.common.numerics.code.closed_forms import schur\\nfrom asymptotics.common.numerics.code.compiled import njit"
            "\\n\\n@njit(cache=True)\\ndef f(x):\\n    return schur(x, 2.0, 3.0, 4.0)\\n').f(1.0))",
            marks=pytest.mark.slow,
        ),
        # A module far behind the one that writes the source: it is derived again (by the same text: only the file tells).
        (
            "derivations/autoencoder/training/moments.py",
            ("from __future__ import annotations\n", "from __future__ import annotations\n\nprint('derived')\n"),
            "from asymptotics.common.numerics.code import codegen\n"
            "print(codegen.cached_source('x', ['asymptotics.autoencoder.kernels.compile'], lambda: str(__import__('time').time())))",
        ),
    ],
    ids=["helper", "generated", "writer"],
)  # fmt: skip
@pytest.mark.ci
def test_an_edited_helper_is_seen_by_the_next_process(tmp_path, module, line, code):
    for package in (asymptotics, derivations):
        origin = Path(package.__file__).parent
        shutil.copytree(origin, tmp_path / origin.name, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    first = run(code, tmp_path, tmp_path / "cache")
    assert run(code, tmp_path, tmp_path / "cache") == first
    path = tmp_path / module
    text = path.read_text(encoding="utf-8")
    old = path.stat()
    assert line[0] in text
    path.write_text(text.replace(line[0], line[1], 1), encoding="utf-8")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 10**9))
    assert run(code, tmp_path, tmp_path / "cache") != first
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 2 * 10**9))
    assert run(code, tmp_path, tmp_path / "cache") == first


def test_the_version_is_part_of_the_key(monkeypatch):
    before = sources.source_key("asymptotics.common.numerics.laws.normals")
    assert sources.source_key("asymptotics.common.numerics.laws.normals") == before
    for name in ("asymptotics", "numpy", "scipy", "numba", "sympy", "python"):
        monkeypatch.setattr(sources, "versions", lambda name=name: {**asymptotics_versions(), name: "99"})
        assert sources.source_key("asymptotics.common.numerics.laws.normals") != before


def asymptotics_versions():
    from asymptotics.common.output.versions import versions

    return versions()


def test_code_edited_while_a_process_runs_does_not_pass_for_the_new_one(tmp_path, monkeypatch):
    """What is in memory is the text before: its machine code must not be found under the hash of the new text."""
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "helper.py").write_text("x = 1\n")
    monkeypatch.setattr(sources, "_root", lambda package: tmp_path)
    sources._read.cache_clear()
    sources._path.cache_clear()
    os.utime(tmp_path / "helper.py", (time.time() - 1000,) * 2)
    monkeypatch.setattr(sources, "_STARTED", time.time() - 500)
    before = sources.closure(["derivations.helper"])
    sources._read.cache_clear()
    os.utime(tmp_path / "helper.py", (time.time() - 100,) * 2)
    during = sources.closure(["derivations.helper"])
    sources._read.cache_clear()
    sources._path.cache_clear()
    assert before != during and during["derivations.helper"].startswith(before["derivations.helper"])


def damage(path, how):
    content = path.read_bytes()
    if how == "emptied":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "one bit":
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    else:
        path.write_bytes(b"\xff\xfenothing of this kind" * 9)


@pytest.mark.parametrize("how", ["emptied", "cut", "one bit", "overwritten"])
@pytest.mark.parametrize("kind", ["nbi", "nbc", "py"])
def test_damaged_kernels_are_compiled_again_with_one_warning(folder, caplog, kind, how):
    if (kind, how) == ("nbi", "one bit"):
        pytest.skip("an index is no code: a wrong name in it is not found")
    assert fresh(SOURCE.format(1.0)).f(2.0) == fresh(SOURCE.format(1.0)).f(2.0) == 5.0
    paths = list(folder.rglob(f"*.{kind}"))
    assert paths
    for path in paths:
        damage(path, how)
    with caplog.at_level(logging.WARNING):
        assert fresh(SOURCE.format(1.0)).f(2.0) == 5.0
        assert fresh(SOURCE.format(1.0)).f(2.0) == 5.0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "damaged" in caplog.text and str(folder) in caplog.text


@pytest.mark.parametrize("how", ["emptied", "cut", "one bit", "overwritten"])
def test_damaged_derivations_are_made_again(folder, caplog, how):
    text = "# a source\n" * 99
    assert codegen.cached_source("what", ["derivations"], lambda: text) == text
    [path] = folder.glob("source_*.txt")
    damage(path, how)
    with caplog.at_level(logging.WARNING):
        assert codegen.cached_source("what", ["derivations"], lambda: text) == text
        assert codegen.cached_source("what", ["derivations"], lambda: "not called") == text
    assert len(caplog.records) == 1


def test_machine_code_is_kept_and_found(folder):
    fresh(SOURCE.format(1.0))
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}
    assert len(times) == 2
    module = fresh(SOURCE.format(1.0))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")} == times
    assert sum(module.f.stats.cache_hits.values()) == 1
    assert fresh(SOURCE.format(3.0)).f(2.0) == 7.0
    # A folder that goes away under a running process costs the cache, not the answer.
    module = fresh(
        "from asymptotics.common.numerics.code.compiled import njit\n\n\n@njit(cache=True)\ndef g(x):\n    return x + 1\n"
    )
    shutil.rmtree(folder)
    assert module.g(1) == 2


def test_first_use_from_several_threads(folder):
    """All threads get the whole module, and one object of it."""
    source = "import time\n\ntime.sleep(0.2)\nVECTORS = 2\n"
    with ThreadPoolExecutor(8) as pool:
        modules = list(pool.map(lambda _: (m := codegen.load_module(source), m.VECTORS), range(8)))
    assert {id(module) for module, _ in modules} == {id(modules[0][0])}
    calls = []

    def build():
        calls.append(time.sleep(0.1))
        return "text"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: codegen.cached_source("threads", ["derivations"], build), range(8)))
    assert found == ["text"] * 8 and len(calls) == 1


@pytest.mark.slow
def test_first_solve_from_several_threads(tmp_path):
    code = """
from concurrent.futures import ThreadPoolExecutor
import asymptotics as asy
def job(name):
    return float(asy.solve(asy.example("three-clusters").replace({"denoiser.activation": name, "training.tau": 0.5}))(0.5).b)
names = ["tanh", "erf", "x/(1+x**2)", "relu"]
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(job, names + names))
print(found == [job(name) for name in names] * 2)
"""
    assert run(code, ROOT.parent, tmp_path / "cache") == ["True"]
    indices = list((tmp_path / "cache").rglob("*.nbi"))
    assert indices
    for path in indices:
        path.write_bytes(b"")
    assert run(code, ROOT.parent, tmp_path / "cache") == ["True"]


def test_unused_kernels_are_removed_and_nothing_else(tmp_path):
    long_ago = time.time() - 100 * 86400
    key = "0123456789abcdef01234567"
    ours = [f"asymptotics_kernel_{key}.py", f"source_{key}.txt", f"asymptotics.common.numerics.laws.normals-{key}",
            f"__pycache__/asymptotics_kernel_{key}.f-7.py311.nbi"]  # fmt: skip
    others = ["notes.txt", "asymptotics.toml", "source_code.txt", "asymptotics-results/run.npz"]
    for name in [*ours, *others]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.mkdir() if name.endswith(f"normals-{key}") else path.write_text("x")
        os.utime(path, (long_ago, long_ago))
    used = tmp_path / f"asymptotics_kernel_{key[::-1]}.py"
    used.write_text("x")
    assert all(OURS.fullmatch(Path(name).name) for name in ours) and not OURS.fullmatch("source_code.txt")
    prune(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*others, used.name} and not (tmp_path / ours[2]).exists()


def test_threads_that_read_sources_at_once():
    """Python 3.11 ends in a SystemError where another thread parses while the garbage collector calls back (hypothesis does)."""
    text, interval, threshold = Path(sources.__file__).read_text(), sys.getswitchinterval(), gc.get_threshold()

    def look(*_):
        return sum(range(50))

    gc.callbacks.append(look)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(sources.closure_of_text, [text] * 40))
    finally:
        gc.callbacks.remove(look)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
    assert all(x == found[0] for x in found)


def test_a_function_within_compiled_code_is_compiled_for_its_callers_alone():
    """No wrappers and no machine code of its own, unless Python calls it too; both give the same number."""

    @compiled.njit
    def helper(x):
        return math.sin(x) * np.sum(np.full(3, x))

    @compiled.njit
    def caller(x):
        return helper(x) + 1.0

    wanted = 3.0 * 0.7 * math.sin(0.7)
    assert caller(0.7) == pytest.approx(wanted + 1.0, rel=1e-15)
    assert not helper.overloads and len(helper.inner.overloads) == 1
    assert helper(0.7) == pytest.approx(wanted, rel=1e-15)
