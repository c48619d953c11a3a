"""Interpolants x_t = α_t x₀ + β_t x₁ between the base N(0, I) and the data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..input import expressions
from ..input.checks import InputError, choice, closest, fail
from ..input.notation import Notation
from ..output.plotting import Drawn

PRESETS = {
    "linear": ("1 - t", "t"),
    "trigonometric": ("cos(pi*t/2)", "sin(pi*t/2)"),
    "variance-preserving": ("sqrt(1 - t**2)", "t"),
}


class Interpolant(Drawn):
    r"""A pair of schedules (α_t, β_t) on [0, 1] with α₀ = β₁ = 1 and α₁ = β₀ = 0.

    Parameters
    ----------
    alpha, beta : str
        Arithmetic expressions in ``t`` (see `asymptotics.common.input.expressions`). α̇ and β̇ are derived by SymPy.

    Other Parameters
    ----------------
    preset : {"linear", "trigonometric", "variance-preserving"}
        In a file, instead of both expressions.

    Attributes
    ----------
    alpha_text, beta_text : str
        The expressions as given.

    Raises
    ------
    InputError
        If an expression is not plain arithmetic, breaks the boundary values, or is not finite with α, β ≥ 0 on [0, 1).

    Notes
    -----
    The methods take scalars or arrays of t in [0, 1] and return float64 arrays of the same shape. ``alpha_dot`` may be
    infinite at t = 1 (variance-preserving), which is why the samplers never evaluate it there.
    """

    #: Its keys in a file.
    KEYS = ("alpha", "beta", "preset")
    #: As `Settings.NOTATION`.
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "alpha": Notation("α_t", (), "factor of the noise x₀"),
        "beta": Notation("β_t", (), "factor of the data x₁"),
    }

    def __init__(self, alpha: ArrayLike = "1 - t", beta: ArrayLike = "t", *, table: str = "interpolant") -> None:
        self.alpha_text, self.beta_text = str(alpha), str(beta)
        expressions.check(alpha, ["t"], f"{table}.alpha")
        expressions.check(beta, ["t"], f"{table}.beta")
        self._functions: dict[str, Any] = {}
        if (self.alpha_text, self.beta_text) != PRESETS["linear"]:
            self._compile(alpha, beta, table)

    def _compile(self, alpha: ArrayLike, beta: ArrayLike, table: str) -> None:
        import sympy

        t = sympy.Symbol("t", real=True)
        for name, text, ends in (("alpha", alpha, (1, 0)), ("beta", beta, (0, 1))):
            expression = expressions.to_sympy(text, ["t"], f"{table}.{name}")
            self._functions[name] = expressions.to_function(expression, ["t"])
            self._functions[name + "_dot"] = expressions.to_function(sympy.diff(expression, t), ["t"])
            with np.errstate(all="ignore"):
                got = [float(self._functions[name](x)) for x in (0.0, 1.0)]
                inside = self._functions[name](np.linspace(0.0, 1.0, 201)[:-1])
            if not np.allclose(got, ends, rtol=0, atol=1e-9):
                fail(f"{table}.{name}", text, f"{ends[0]} at t = 0 and {ends[1]} at t = 1 (got {got[0]:g}, {got[1]:g})")
            if not np.all(np.isfinite(inside)) or np.any(inside < -1e-12):
                raise InputError(f"{table}.{name} = {text!r}: must be finite and >= 0 on [0, 1)")
            if name == "alpha" and np.any(inside <= 0):
                raise InputError(f"{table}.alpha = {text!r}: must be > 0 on [0, 1)")

    @classmethod
    def preset(cls, name: str) -> Interpolant:
        """One of the named interpolants: linear, trigonometric, variance-preserving."""
        choice("interpolant", name, PRESETS)
        return cls(*PRESETS[name])

    @classmethod
    def from_table(cls, table: object) -> Interpolant:
        """From ``{"alpha": ..., "beta": ...}`` or ``{"preset": name}``."""
        if isinstance(table, str):
            return cls.preset(table)
        if not isinstance(table, dict):
            fail("interpolant", table, "a table with alpha and beta, or with preset")
        if set(table) == {"preset"}:
            return cls.preset(table["preset"])
        unknown = set(table) - {"alpha", "beta"}
        if unknown:
            key = min(map(str, unknown))
            hint = closest(key, cls.KEYS) if key not in cls.KEYS else ""
            if key in ("kind", "type", "name", "schedule"):
                hint = " (did you mean preset?)"
            raise InputError(
                f"interpolant.{key}: unknown key; allowed are alpha and beta, or preset alone{hint}",
                key=f"interpolant.{key}",
                kind="unknown",
            )
        return cls(table.get("alpha", "1 - t"), table.get("beta", "t"))

    def to_table(self) -> dict[str, str]:
        """The table that gives this interpolant back."""
        return {"alpha": self.alpha_text, "beta": self.beta_text}

    def _evaluate(self, name: str, t: ArrayLike) -> np.ndarray:
        t = np.asarray(t, dtype=np.float64)
        if not self._functions:
            values = {"alpha": 1.0 - t, "beta": t + 0.0, "alpha_dot": -np.ones_like(t), "beta_dot": np.ones_like(t)}
            return np.asarray(values[name])
        with np.errstate(divide="ignore"):
            return self._functions[name](t)

    def alpha(self, t: ArrayLike) -> np.ndarray:
        """α_t."""
        return self._evaluate("alpha", t)

    def beta(self, t: ArrayLike) -> np.ndarray:
        """β_t."""
        return self._evaluate("beta", t)

    def alpha_dot(self, t: ArrayLike) -> np.ndarray:
        """dα/dt, by SymPy."""
        return self._evaluate("alpha_dot", t)

    def beta_dot(self, t: ArrayLike) -> np.ndarray:
        """dβ/dt, by SymPy."""
        return self._evaluate("beta_dot", t)

    def second(self, t: float) -> tuple[float, float]:
        """α̈_t and β̈_t, by SymPy."""
        if not self._functions:
            return 0.0, 0.0
        if "alpha_second" not in self._functions:
            import sympy

            symbol = sympy.Symbol("t", real=True)
            for name, text in (("alpha", self.alpha_text), ("beta", self.beta_text)):
                expression = sympy.diff(expressions.to_sympy(text, ["t"], name), symbol, 2)
                self._functions[name + "_second"] = expressions.to_function(expression, ["t"])
        return float(self._functions["alpha_second"](t)), float(self._functions["beta_second"](t))

    def __reduce__(self) -> tuple[Any, ...]:
        # The compiled functions stay behind: another process makes its own from the expressions.
        return Interpolant, (self.alpha_text, self.beta_text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interpolant) and self.to_table() == other.to_table()

    def __hash__(self) -> int:
        return hash((self.alpha_text, self.beta_text))

    def _repr_latex_(self) -> str:
        import sympy

        alpha, beta = (sympy.latex(expressions.to_sympy(x, ["t"], "")) for x in (self.alpha_text, self.beta_text))
        return rf"$x_t = \alpha_t x_0 + \beta_t x_1,\quad \alpha_t = {alpha},\quad \beta_t = {beta}$"

    def __repr__(self) -> str:
        return f"Interpolant(alpha={self.alpha_text!r}, beta={self.beta_text!r})"


@lru_cache(maxsize=1)
def linear() -> Interpolant:
    """α = 1 − t, β = t."""
    return Interpolant()
