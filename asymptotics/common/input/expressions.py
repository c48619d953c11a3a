"""Arithmetic expressions from a user's file, parsed by a whitelist: they are data and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import InputError, closest
from .syntax import parsed_expression

if TYPE_CHECKING:
    import sympy

FUNCTIONS = ("sin", "cos", "tan", "tanh", "sinh", "cosh", "sqrt", "exp", "log", "erf", "abs", "sign", "max", "min")
CONSTANTS = ("pi",)
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_LONGEST = 400
_LARGEST = 1e6
_POWER = 64
#: No number on the way to the result may be larger, so that none overflows (or takes forever to compute exactly).
_OVERFLOW = 1e200
#: Fractions of longer integers than a float holds become floats.
_EXACT = 2**53


#: What other languages call the functions.
_ALSO_CALLED = {
    "ln": "log",
    "arctanh": "log",
    "fabs": "abs",
    "sgn": "sign",
    "sigmoid": "1/(1 + exp(-x))",
    "relu": "max(x, 0)",
}


def _error(name: str, shown: str, words: str) -> InputError:
    return InputError(f"{name} = {shown}: {words}", key=name, kind="value")


def _meant(text: str, node: ast.expr | None = None, variables: Sequence[str] = ()) -> str:
    """A hint at what was probably meant."""
    if "^" in text:
        return f" (a power is written **: {text.strip().replace('^', '**')})"
    if re.search(r"\d\s*[A-Za-z(]", re.sub(r"\d[eE][-+]?\d", "", text)) and node is None:
        return " (a product is written *: 2*t)"
    if "|" in text:
        return " (the absolute value is written abs(x))"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return f" (functions have no prefix: {node.func.attr})"
    if isinstance(node, ast.Attribute):
        return f" (names have no prefix: {node.attr})"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        called = _ALSO_CALLED.get(node.func.id)
        return f" (write {called})" if called else closest(node.func.id, FUNCTIONS)
    if isinstance(node, ast.Name):
        if node.id == "e":
            return " (write exp(1))"
        known = [*variables, *CONSTANTS, *FUNCTIONS]
        return closest(node.id, known) or closest(node.id.lower(), known)
    return ""


def check(text: object, variables: Sequence[str], name: str) -> ast.expr:
    """Parse ``text`` and return its syntax tree if it is plain arithmetic in ``variables``, else raise `InputError`.

    Allowed: numbers, the variables, ``pi``, ``+ - * / **``, parentheses and the functions in `FUNCTIONS`.
    """
    allowed = f"arithmetic in {', '.join(variables)} with + - * / ** pi {' '.join(FUNCTIONS)}"
    shown = repr(text) if len(repr(text)) <= 80 else repr(text)[:77] + "..."
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = repr(text)
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise _error(name, shown, f"must be {allowed}")
    try:
        tree = parsed_expression(text.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _error(name, shown, f"must be {allowed}{_meant(text)}") from None

    def walk(node: ast.expr) -> None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            walk(node.left)
            walk(node.right)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
            walk(node.operand)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in FUNCTIONS
            and not node.keywords
            and len(node.args) == (2 if node.func.id in ("max", "min") else 1)
        ):
            for argument in node.args:
                walk(argument)
        elif (isinstance(node, ast.Name) and (node.id in variables or node.id in CONSTANTS)) or (
            isinstance(node, ast.Constant)
            and isinstance(node.value, (int, float))
            and not isinstance(node.value, bool)
            and abs(node.value) <= _LARGEST
        ):
            pass
        else:
            raise _error(
                name, shown, f"{ast.unparse(node)!r} is not allowed; must be {allowed}{_meant(text, node, variables)}"
            )

    walk(tree)
    return tree


def to_sympy(text: object, variables: Sequence[str], name: str) -> sympy.Expr:
    """The SymPy expression of a checked text; the variables become real symbols of the same names."""
    import sympy

    tree = check(text, variables, name)
    functions: dict[str, Callable[..., Any]] = {
        f: getattr(sympy, f) for f in FUNCTIONS if f not in ("abs", "max", "min")
    }
    functions |= {"abs": sympy.Abs, "max": sympy.Max, "min": sympy.Min}

    def build(node: ast.expr) -> sympy.Expr:
        return _moderate(compose(node), text, name)

    def compose(node: ast.expr) -> sympy.Expr:
        if isinstance(node, ast.BinOp):
            left, right = build(node.left), build(node.right)
            if isinstance(node.op, ast.Add):
                return left + right
            if isinstance(node.op, ast.Sub):
                return left - right
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, ast.Div):
                return left / right
            if left.is_number and right.is_number and abs(sympy.N(right)) > _POWER:
                raise InputError(f"{name} = {text!r}: a power above {_POWER} is not allowed")
            return left**right
        if isinstance(node, ast.UnaryOp):
            return -build(node.operand) if isinstance(node.op, ast.USub) else build(node.operand)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return functions[node.func.id](*[build(a) for a in node.args])
        if isinstance(node, ast.Name):
            return sympy.pi if node.id == "pi" else sympy.Symbol(node.id, real=True)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return sympy.nsimplify(node.value, rational=True)
        raise InputError(f"{name} = {text!r}: {ast.unparse(node)} is not allowed")

    try:
        expression = build(tree)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} = {text!r}: not a finite real expression ({error})") from None
    if expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I):
        raise InputError(f"{name} = {text!r}: not a finite real expression")
    return expression


def _moderate(value: sympy.Expr, text: object, name: str) -> sympy.Expr:
    """A number of moderate size as it is (or as a float); any other expression as it is."""
    import sympy

    if not value.is_number:
        return value
    size = abs(value if value.is_Rational else sympy.N(value))
    if size.has(sympy.zoo, sympy.nan, sympy.oo) or (size.is_comparable and size > _OVERFLOW):
        raise InputError(f"{name} = {text!r}: not a finite real expression (a number in it is too large)")
    if isinstance(value, sympy.Rational) and max(abs(value.p), value.q) > _EXACT:
        return sympy.Float(value, 17)
    return value


def to_function(expression: sympy.Expr, variables: Sequence[str]) -> Callable[..., np.ndarray]:
    """A NumPy function of ``variables`` (broadcasting, float64) that evaluates a SymPy expression; not finite where undefined."""
    import sympy

    symbols = [sympy.Symbol(v, real=True) for v in variables]
    compiled = sympy.lambdify(symbols, expression, modules=["scipy", "numpy"])

    def function(*values: Any) -> np.ndarray:
        arrays = np.broadcast_arrays(*[np.asarray(v, dtype=np.float64) for v in values])
        # Who asks looks at the values, and can name the argument.
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(compiled(*arrays), arrays[0].shape), dtype=np.float64)

    return function
