"""``njit`` as numba has it, but with machine code on disk that is found again only for the same code, helpers included.

numba's own cache looks at the file of the compiled function alone: a changed helper in another file gives the old numbers. Here
machine code is kept in the user's cache directory (`cache_directory`), in a folder named by the module and by the hash of all
sources that the module imports within this project and of the versions of the libraries (`source_key`). Every data file carries
the hash of its content; what is damaged is compiled again.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from functools import cache as cache_once
from pathlib import Path
from typing import Any, Generic, TypeVar

import numba
import numpy as np
from llvmlite.binding import parse_assembly
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.runtime import rtsys
from numba.core.typing.templates import Signature

from .cache import LOCK, cache_directory, damaged, not_kept, touch
from .inner import with_inner
from .sources import source_key
from .turns import Turn

_log = logging.getLogger(__name__)

K = TypeVar("K")


class _Locator:
    """Says to numba where the machine code of a function is kept, and under which stamp."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file  # numba names it in its own warnings
        self._line = py_func.__code__.co_firstlineno
        self._key = source_key(py_func.__module__)
        self._folder = cache_directory() / f"{py_func.__module__}-{self._key}"

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        return cls(py_func, py_file)

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._key

    def get_disambiguator(self) -> str:
        return str(self._line)


@cache_once
def _nothing() -> bytes:
    """An empty module of LLVM."""
    return bytes(parse_assembly("").as_bitcode())


class _Impl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012  # as numba has it

    def reduce(self, found: Any) -> Any:
        """What is kept of a compiled function: its machine code. The rest takes longer to read, and is never asked for.

        That is what numba would link into callers (these take the `inner` twin), the types of all its variables as a text, and
        the environments without objects of what it calls, with whose modules half of numba would be loaded.
        """
        (name, kind, (machine, _)), *rest, _types, begins, environments = super().reduce(found)
        return (name, kind, (machine, _nothing())), *rest, "", begins, tuple(x for x in environments if x.consts)

    def rebuild(self, target_context: Any, kept: Any) -> Any:
        """A compiled function from what was kept of it: the engine is told what names its machine code has."""
        description = kept[1]
        target_context.codegen()._engine._defined_symbols |= {
            description.llvm_func_name, description.llvm_cpython_wrapper_name, description.llvm_cfunc_wrapper_name,
            description.env_name,
        }  # fmt: skip
        return super().rebuild(target_context, kept)


class _File(IndexDataCacheFile):  # type: ignore[misc]
    """An index and its data files, which begin with the hash of what follows."""

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def _load_data(self, name: str) -> Any:
        stored = Path(self._data_path(name)).read_bytes()
        mark, content = stored[:32], stored[32:]
        if hashlib.sha256(content).digest() != mark:
            # Machine code with a wrong bit would not raise: it would run.
            raise pickle.UnpicklingError("its content is not what was written")
        return pickle.loads(content)


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Impl

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._turn = Turn(Path(self._cache_path) / f"{self._impl.filename_base}.lock")
        self._cache_file = _File(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept of a compiled function; where nothing is, once no other process compiles it (see `done`)."""
        found = self._kept(sig, target_context)
        if found is None and self._turn.taken():
            found = self._kept(sig, target_context)
        return found

    def done(self) -> None:
        """What was not there has been compiled, or will not be."""
        self._turn.over()

    def _kept(self, sig: Any, target_context: Any) -> Any:
        try:
            # Not as numba does it: it first reads in all that a compiler needs (and SciPy's linear algebra with it), which
            # takes longer than a solve. What is compiled already needs its memory manager alone; a compilation reads the rest.
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                found = self._load_overload(sig, target_context)
        except Exception as error:  # whatever a damaged pickle raises
            damaged(Path(self._cache_path), error)
            self._forget()
            return None
        if found is not None:
            touch(Path(self._cache_path))
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except (OSError, EOFError, pickle.PickleError) as error:  # a full disk, a folder taken away
            not_kept(Path(self._cache_path), error)

    def _forget(self) -> None:
        try:
            self.flush()
        except OSError as error:
            _log.info("%s cannot be mended (%s)", self._cache_path, error)


def njit(*signature: Any, cache: bool = False, **options: Any) -> Any:
    """``numba.njit``, whose ``cache=True`` follows the code that a function calls; as a decorator, with or without arguments."""
    if len(signature) == 1 and callable(signature[0]) and not _is_type(signature[0]):
        return njit(cache=cache, **options)(signature[0])

    def decorate(function: Callable[..., Any]) -> Any:
        # Said, as a function would else take after the first that calls it.
        options.setdefault("_nrt", True)
        compiled = with_inner(numba.njit(**options)(function))
        if not hasattr(compiled, "enable_caching"):  # NUMBA_DISABLE_JIT
            return compiled
        if cache:
            compiled._cache = _Cache(function)
        if signature:
            for one in signature[0] if isinstance(signature[0], list) else signature:
                compiled.compile(one)
            compiled.disable_compile()
        return compiled

    return decorate


def inlined(function: Callable[..., Any]) -> Any:
    """`njit` of a short function that becomes part of its callers, and counts no references to arrays: it can make none.

    Counting them takes longer than most of what such a function does; LLVM inlines it, as numba's own inlining compiles it anew
    within every caller.
    """
    return njit(cache=True, nogil=True, error_model="numpy", forceinline=True, _nrt=False)(function)


class Kinds(Generic[K]):
    """One function compiled for several kinds, each when it is first asked for (explicit types: its machine code is kept on disk).

    Parameters
    ----------
    of : callable
        Kind → the function and its signature.
    """

    def __init__(self, of: Callable[[K], tuple[Callable[..., Any], Any]]) -> None:
        self._of = of
        self._known: dict[K, Any] = {}

    def __call__(self, kind: K) -> Any:
        with LOCK:
            if kind not in self._known:
                function, signature = self._of(kind)
                self._known[kind] = njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        return self._known[kind]


def real_type(dtype: Any) -> Any:
    """numba's number of single or double precision."""
    return {"float32": numba.float32, "float64": numba.float64}[np.dtype(dtype).name]


def _is_type(value: Any) -> bool:
    return isinstance(value, (numba.types.Type, Signature))
