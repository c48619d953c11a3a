"""Generated kernels: SymPy expressions → Python source in the user's cache directory → a module compiled once.

The source is written under the hash of the source, of the code it imports and of the versions (`sources`); the machine code is
kept beside it (`compiled`), so that a second process compiles nothing. Parameters are arguments of the functions, never
literals in the source.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import marshal
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from .cache import LOCK, cache_directory, damaged, not_kept, touch
from .sources import source_key
from .turns import Turn

if TYPE_CHECKING:
    import sympy

_log = logging.getLogger(__name__)

#: How generated code imports `compiled.njit`; by name, as whoever only writes sources needs no numba.
NJIT = f"from {__package__}.compiled import njit"


#: Exponents above this are cut: ratios and products of such exponentials then stay finite numbers, and no Gaussian field
#: that has a finite average of them comes near.
_STEEPEST = 300.0


def _write(path: Path, content: str | bytes) -> None:
    """Write a file, atomically between processes; on a full disk it is not kept, which is said once."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(name, path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        not_kept(path, error)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def load_module(source: str, *options: Any) -> ModuleType:
    """The module of a generated ``source``; the same source gives the same module object, to every thread the whole of it.

    Its file in the cache is named by the hash of the source, of all code that it imports from this package, and of the
    versions. The file is there to be read, and for the machine code that numba keeps beside it: what runs is ``source``.
    """
    with LOCK:
        name = f"asymptotics_kernel_{source_key(text=source, also=options)}"
        if name in sys.modules:
            return sys.modules[name]
        path = cache_directory() / f"{name}.py"
        kept = _text_of(path)
        _log.info("%s %s", "first use: compiling" if kept is None else "loading", path)
        if kept != source:
            if kept is not None:
                damaged(path, "another text")
            _write(path, source)
        else:
            touch(path)
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        try:
            exec(_code_of(source, path), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _code_of(source: str, path: Path) -> CodeType:
    """Python's code of a source, kept beside it: long sums take longer to parse than a solve takes.

    It carries the hash of itself and of its source.
    """
    place = path.with_suffix(f".{sys.implementation.cache_tag}.code")
    own = source.encode()
    with contextlib.suppress(OSError):
        kept = place.read_bytes()
        if hashlib.sha256(own + kept[32:]).digest() == kept[:32]:
            touch(place)
            code: CodeType = marshal.loads(kept[32:])
            return code
        damaged(place, "not what was written")
    made = compile(source, str(path), "exec")
    content = marshal.dumps(made)
    _write(place, hashlib.sha256(own + content).digest() + content)
    return made


def printer(backend: str) -> Any:
    """A SymPy code printer: "numba" (scalar ``math`` functions) or "numpy" (array functions of NumPy and SciPy)."""
    if backend == "numba":
        return _scalar_printer()
    if backend == "numpy":
        return _array_printer()
    raise ValueError(f"backend = {backend!r}: must be numba or numpy")


def _scalar_printer() -> Any:
    from sympy.printing.pycode import PythonCodePrinter

    class Scalar(PythonCodePrinter):
        """Prints with ``math``; kinks are written as comparisons, so that numba vectorises them."""

        def _print_Heaviside(self, expr: sympy.Heaviside) -> str:
            return f"(1.0 if ({self._print(expr.args[0])}) > 0.0 else 0.0)"

        def _print_Max(self, expr: sympy.Max) -> str:
            return "max(" + ", ".join(self._print(sympy_float(a)) for a in expr.args) + ")"

        def _print_Min(self, expr: sympy.Min) -> str:
            return "min(" + ", ".join(self._print(sympy_float(a)) for a in expr.args) + ")"

        def _print_exp(self, expr: sympy.exp) -> str:
            return f"math.exp({self._capped(expr.args[0])})"

        def _print_cosh(self, expr: sympy.cosh) -> str:
            return f"math.cosh({self._capped(expr.args[0], both=True)})"

        def _print_sinh(self, expr: sympy.sinh) -> str:
            return f"math.sinh({self._capped(expr.args[0], both=True)})"

        def _capped(self, x: sympy.Expr, both: bool = False) -> str:
            if x.is_nonpositive and not both:
                return str(self._print(x))
            text = f"min({self._print(x)}, {_STEEPEST})"
            return f"max({text}, -{_STEEPEST})" if both else text

        def _print_sign(self, expr: sympy.sign) -> str:
            return f"math.copysign(1.0, {self._print(expr.args[0])})"

        def _print_ArcsineRatio(self, expr: sympy.Expr) -> str:
            return self._call("arcsine_ratio", expr)

        def _print_SchurUpdate(self, expr: sympy.Expr) -> str:
            return self._call("schur", expr)

        def _print_GaussianAt(self, expr: sympy.Expr) -> str:
            return self._call("gaussian_at", expr)

        def _print_Positive(self, expr: sympy.Expr) -> str:
            return self._call("positive", expr)

        def _print_BothPositive(self, expr: sympy.Expr) -> str:
            return self._call("both_positive", expr)

        def _call(self, name: str, expr: sympy.Expr) -> str:
            # The functions of `derivations.autoencoder.training.moments`, by their namesakes in `code.closed_forms`.
            return f"{name}({', '.join(self._print(a) for a in expr.args)})"

        def _print_Rational(self, expr: sympy.Rational) -> str:
            return f"({expr.p}.0/{expr.q}.0)"

        def _print_Pow(self, expr: sympy.Pow, **options: Any) -> str:
            base, exponent = expr.as_base_exp()
            if exponent.is_Integer and 2 <= int(exponent) <= 4:
                return "(" + "*".join([f"({self._print(base)})"] * int(exponent)) + ")"
            return str(super()._print_Pow(expr, **options))

    def sympy_float(value: Any) -> Any:
        import sympy

        return sympy.Float(value) if value.is_Integer else value

    return Scalar({"fully_qualified_modules": True, "allow_unknown_functions": False})


def _array_printer() -> Any:
    from sympy.printing.numpy import SciPyPrinter

    class Array(SciPyPrinter):
        """Prints with NumPy and SciPy, and no other module."""

        def _print_Max(self, expr: sympy.Max) -> str:
            return self._pairwise("numpy.maximum", expr.args)

        def _print_Min(self, expr: sympy.Min) -> str:
            return self._pairwise("numpy.minimum", expr.args)

        def _print_exp(self, expr: sympy.exp) -> str:
            x = self._print(expr.args[0])
            return f"numpy.exp({x if expr.args[0].is_nonpositive else f'numpy.minimum({x}, {_STEEPEST})'})"

        def _print_cosh(self, expr: sympy.cosh) -> str:
            return f"numpy.cosh(numpy.clip({self._print(expr.args[0])}, -{_STEEPEST}, {_STEEPEST}))"

        def _print_sinh(self, expr: sympy.sinh) -> str:
            return f"numpy.sinh(numpy.clip({self._print(expr.args[0])}, -{_STEEPEST}, {_STEEPEST}))"

        def _pairwise(self, function: str, arguments: Sequence[sympy.Expr]) -> str:
            *rest, last = arguments
            tail = self._print(last)
            for argument in reversed(rest):
                tail = f"{function}({self._print(argument)}, {tail})"
            return str(tail)

    return Array({"fully_qualified_modules": True, "allow_unknown_functions": False})


def assignments(outputs: Sequence[tuple[str, sympy.Expr]], backend: str = "numba", prefix: str = "x") -> list[str]:
    """Source lines ``name = expression`` for the outputs, with their common subexpressions pulled out first."""
    import sympy

    print_ = printer(backend)
    names = [name for name, _ in outputs]
    symbols = sympy.numbered_symbols(prefix)
    replacements, reduced = sympy.cse([e for _, e in outputs], symbols=symbols, order="none")
    lines = [f"{symbol} = {print_.doprint(value)}" for symbol, value in replacements]
    return lines + [f"{name} = {print_.doprint(value)}" for name, value in zip(names, reduced, strict=True)]


def cached_source(specification: object, modules: Sequence[str], build: Callable[[], str]) -> str:
    """The source that ``build()`` writes, kept by the hash of its specification: a second process need not derive it.

    Parameters
    ----------
    specification : object
        Anything whose ``repr`` says all that the source depends on.
    modules : sequence of str
        Names of the modules (or packages) in which ``build`` begins; their code and that of all that they import from this
        project is part of the hash, so that a change in it is seen.
    build : callable
        Called without arguments if no source is kept.
    """
    with LOCK:  # SymPy's derivations are not made for several threads at once
        path = cache_directory() / f"source_{source_key(*modules, also=specification)}.txt"
        found = _kept(path)
        if found is not None:
            return found
        turn = Turn(path.with_suffix(".lock"))
        try:
            text = _kept(path) if turn.taken() else None
            if text is None:
                text = build()
                _write(path, f"{_mark(text)}\n{text}")
            return text
        finally:
            turn.over()


def _kept(path: Path) -> str | None:
    """A source as it was written; None where there is none."""
    kept = _text_of(path)
    if kept is None:
        return None
    mark, _, text = kept.partition("\n")
    if mark == _mark(text):
        touch(path)
        return text
    damaged(path, "not what was written")
    return None


def _mark(text: str) -> str:
    return f"# sha256 {hashlib.sha256(text.encode()).hexdigest()}"
