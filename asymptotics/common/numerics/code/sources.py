"""What code a module depends on, found by following its imports: the key of everything kept on disk that code has made.

A kernel on disk is right only for the code it was compiled from, and that includes every helper which was inlined into it,
wherever that stands. No list of such files is kept by hand: `closure` reads the imports of a module, of what it imports, and
so on, as far as they stay within this project.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from ...output.versions import versions

#: The packages whose code decides numbers; all others count by their versions.
PACKAGES = ("asymptotics", "derivations")

#: An import, wherever it stands. Text is searched, not parsed: fifty sources are read at every start, for which Python's
#: parser takes longer than the equations. A sentence that reads as an import only makes a key depend on more.
_IMPORT = re.compile(
    r"(?:^|[:;])[ \t]*(?:from[ \t]+(?P<base>[.\w]+)[ \t]+)?\bimport(?=[ \t(])[ \t]*(?:\((?P<inside>[^)]*)\)|(?P<names>[^\n;(]+))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"#.*")

_STARTED = time.time()
_SALT = secrets.token_hex(8)


@lru_cache(maxsize=len(PACKAGES))
def _root(package: str) -> Path | None:
    specification = importlib.util.find_spec(package)
    folders = specification.submodule_search_locations if specification is not None else None
    return Path(next(iter(folders))) if folders else None


@lru_cache(maxsize=4096)
def _path(module: str) -> Path | None:
    """The file of a module of this project, None for anything else."""
    package, _, rest = module.partition(".")
    root = _root(package) if package in PACKAGES else None
    if root is None:
        return None
    base = root.joinpath(*rest.split(".")) if rest else root
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _imported(text: str, package: str) -> Iterator[tuple[str, str]]:
    """``(module, name)`` of every import, ``name`` empty for ``import module``; relative ones seen from ``package``."""
    for found in _IMPORT.finditer(_COMMENT.sub("", text).replace("\\\n", " ")):
        base = found["base"]
        names = [one.split()[0] for one in (found["inside"] or found["names"]).split(",") if one.strip()]
        if base is None:
            yield from ((name, "") for name in names)
            continue
        dots = len(base) - len(base.lstrip("."))
        if dots:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - dots + 1], *filter(None, [base[dots:]])])
        yield from ((base, name) for name in names)


@lru_cache(maxsize=1024)
def _stub(package: str) -> dict[str, str]:
    """Where the names of a package come from that loads them on first use: its stub says so, as it does to the package."""
    path = _path(package)
    stub = path.with_suffix(".pyi") if path is not None else None
    if stub is None or not stub.is_file():
        return {}
    found = {}
    for module, name in _imported(stub.read_text(), package):
        inner = f"{module}.{name}"
        found[name] = inner if _path(inner) is not None else module
    return found


def _modules(module: str, name: str) -> list[str]:
    """The modules of this project whose code one import can bring."""
    if module.partition(".")[0] not in PACKAGES or _path(module) is None:
        return []
    if not name or name == "*":  # ``import package``: any of its names may be used
        return [module, *_stub(module).values()]
    inner = f"{module}.{name}"
    if _path(inner) is not None:
        return [inner]
    origin = _stub(module).get(name)
    return [module] if origin is None else [module, origin]


@lru_cache(maxsize=1024)
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Hash of a module's text, and the modules that it imports, at its head or anywhere within."""
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module}: no file of this project")
    content = path.read_bytes()
    mark = hashlib.sha256(content).hexdigest()
    if _STARTED < path.stat().st_mtime <= time.time():
        # Edited while this process runs: what it has in memory may be the text before, which must not pass for the new one.
        mark += _SALT
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return mark, tuple(_needs(content.decode(), package))


def _needs(content: str, package: str = "") -> list[str]:
    pairs = _imported(content, package)
    return list(dict.fromkeys(other for pair in pairs for other in _modules(*pair)))


def closure(modules: Iterable[str]) -> dict[str, str]:
    """Hashes of the named modules and of all that they import within this project, however far away.

    Parameters
    ----------
    modules : iterable of str
        Dotted names; a package that loads its names on first use stands for all of them.
    """
    return _closure([other for module in modules for other in _modules(module, "")])


def _closure(todo: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while todo:
        module = todo.pop()
        if module not in found:
            found[module], needed = _read(module)
            todo.extend(needed)
    return dict(sorted(found.items()))


@lru_cache(maxsize=256)
def closure_of_text(source: str) -> dict[str, str]:
    """The same for the text of a generated module."""
    return _closure(_needs(source))


def source_key(*modules: str, text: str = "", also: object = None) -> str:
    """A short hash of all code behind the named modules (and a generated text), and of the versions of the libraries."""
    known = [module for module in modules if module.partition(".")[0] in PACKAGES]
    marks = {**closure(known), **(closure_of_text(text) if text else {})}
    # A generated module has its own key in its name.
    parts = (sorted(marks.items()), sorted(set(modules) - set(known)), text, also, sorted(versions().items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
