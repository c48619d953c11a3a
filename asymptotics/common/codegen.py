"""Generated kernels: SymPy expressions → Python source in the user's cache directory → a module compiled once.

The source is written under the hash of (source, options, versions); numba's ``cache=True`` keeps the machine code beside
it, so that a second process compiles nothing. Parameters are arguments of the functions, never literals in the source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy

_log = logging.getLogger(__name__)

#: Set this variable to put generated kernels elsewhere.
CACHE_VARIABLE = "ASYMPTOTICS_CACHE_DIR"

#: Exponents above this are cut: ratios and products of such exponentials then stay finite numbers, and no Gaussian field
#: that has a finite average of them comes near.
_STEEPEST = 300.0


def cache_directory() -> Path:
    """Where kernels are kept: ``$ASYMPTOTICS_CACHE_DIR``, else the user's cache directory, else a temporary one."""
    from platformdirs import user_cache_dir

    wanted = Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("asymptotics"))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"asymptotics-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def digest(*parts: Any) -> str:
    """Hash of the parts (by ``repr``) and of the versions of Python, NumPy and numba."""
    import numba
    import numpy as np

    versions = (sys.version_info[:3], np.__version__, numba.__version__)
    return hashlib.sha256(repr((parts, versions)).encode()).hexdigest()[:24]


def write_once(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` unless it is there (numba's cache looks at the time stamp); atomic between processes."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(name, path)


def load_module(source: str, *options: Any) -> ModuleType:
    """Import generated ``source`` from its file in the cache; the same source gives the same module object."""
    name = f"asymptotics_kernel_{digest(source, options)}"
    if name in sys.modules:
        return sys.modules[name]
    path = cache_directory() / f"{name}.py"
    _log.info("%s %s", "loading" if path.exists() else "first use: compiling", path)
    write_once(path, source)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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
            # The functions of `derivations.moments`, by their namesakes in `asymptotics.common.closed_forms`.
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


def cached_source(specification: Any, modules: Sequence[ModuleType | str], build: Callable[[], str]) -> str:
    """The source that ``build()`` writes, kept by the hash of its specification: a second process need not derive it.

    Parameters
    ----------
    specification : object
        Anything whose ``repr`` says all that the source depends on.
    modules : sequence of modules or paths
        The code that ``build`` runs; the bytes of these files are part of the hash, so that a change in them is seen.
    build : callable
        Called without arguments if no source is kept.
    """
    code = [Path(str(m if isinstance(m, str) else m.__file__)).read_bytes() for m in modules]
    path = cache_directory() / f"source_{digest(specification, *[hashlib.sha256(c).hexdigest() for c in code])}.txt"
    if not path.exists():
        write_once(path, build())
    return path.read_text(encoding="utf-8")
