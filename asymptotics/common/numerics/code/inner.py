"""Compiled functions as other compiled functions call them: without what only Python needs of them.

numba gives every function a wrapper for Python and one for C, optimises it fully and emits its machine code, and all that again in
every caller, into which it is linked. Here a function that is called from compiled code is a second, smaller one, without
wrappers and machine code of its own; its callers optimise it, and nothing of it is kept on disk but in them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from numba.core.compiler import CompileResult
    from numba.core.typing.templates import Signature


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """A function to be linked into others, after the passes over single functions alone."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _Place:
    """Stands for a function that has no address, in numba's tables."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name}, within compiled code"


class _Compiler(Compiler):  # type: ignore[misc]
    def compile_extra(self, func: Callable[..., Any]) -> CompileResult:
        state = self.state
        state.library = _Library(state.targetctx.codegen(), func.__qualname__)
        state.flags.no_compile = True
        result = super().compile_extra(func)
        place = _Place(func.__qualname__)
        state.targetctx.insert_user_function(place, result.fndesc, [result.library])
        return result._replace(entry_point=place)


class _Inner(CPUDispatcher):  # type: ignore[misc]
    def add_overload(self, cres: Any) -> None:
        self.overloads[tuple(cres.signature.args)] = cres  # (not in the table of what Python may call)


class Compiled(CPUDispatcher):  # type: ignore[misc]
    """A function to be called from Python, or by its address; compiled code that calls it takes its `inner` twin."""

    _cache: Any

    def compile(self, sig: str | Signature | tuple[types.Type, ...]) -> Any:
        """As numba's; of several processes that miss the same machine code on disk, one makes it."""
        try:
            return super().compile(sig)
        finally:
            done = getattr(self._cache, "done", None)
            if done is not None:
                done()

    @cached_property
    def inner(self) -> Any:
        """The same function within compiled code."""
        options = self.targetoptions | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        return _Inner(self.py_func, self.locals, options, _Compiler)

    @property
    def _numba_type_(self) -> types.Dispatcher:
        return types.Dispatcher(self.inner)


def with_inner(compiled: Any) -> Any:
    """A function of ``numba.njit`` that compiled code calls by its `Compiled.inner` twin."""
    if isinstance(compiled, CPUDispatcher):
        compiled.__class__ = Compiled
    return compiled
