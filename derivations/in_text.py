"""Derivations in a terminal: SymPy's two-dimensional printing with the names that the typeset form has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import sympy
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.stringpict import prettyForm

from .typeset import name_of

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "varsigma": "ς", "varrho": "ϱ", "ell": "ℓ", "Gamma": "Γ",
    "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "partial": "∂", "infty": "∞", "star": "⋆", "perp": "⊥", "int": "∫", "sum": "Σ", "prime": "′",
}  # fmt: skip
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_ABOVE = dict(zip("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", strict=True))
_BELOW = dict(zip("0123456789", "₀₁₂₃₄₅₆₇₈₉", strict=True))


def in_text(latex: str) -> str:
    """A symbol's LaTeX (`derivations.typeset.name_of`) in Unicode: ``\\lambda^{(0)}_{u}`` as λ⁰_u."""
    text = re.sub(r"\\(?:operatorname|mathrm|mathbb|mathsf|text)\{([^{}]*)\}", r"\1", latex)
    text = text.replace(r"\mathrm d", "d").replace(r"\mathsf T", "T").replace(r"\tfrac1d", "1/d ").replace(r"\,", "")
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _LETTERS.get(m[1], m[0]), text)
    for name, mark in _ACCENTS.items():
        text = re.sub(rf"\\{name}(?:\{{(.)\}}| (.))", lambda m, mark=mark: (m[1] or m[2]) + mark, text)  # type: ignore[misc]
    text = re.sub(r"\^\{\(?([0-9+-]+)\)?\}", lambda m: "".join(_ABOVE[c] for c in m[1]), text)
    text = re.sub(r"_\{([0-9]+)\}|_([0-9])", lambda m: "".join(_BELOW[c] for c in m[1] or m[2]), text)
    return unicodedata.normalize("NFC", re.sub(r"[{}\\ ]", "", text))


class _Printer(PrettyPrinter):
    def __init__(self, vectors: Sequence[str]) -> None:
        super().__init__({"use_unicode": True, "wrap_line": False})
        self._vectors = vectors

    def _print_Symbol(self, e: sympy.Expr, bold_name: bool = False) -> prettyForm:
        return prettyForm(in_text(name_of(e.name, self._vectors)))

    _print_RandomSymbol = _print_Symbol

    def _print_Function(
        self, e: sympy.Expr, sort: bool = False, func_name: str | None = None, left: str = "(", right: str = ")"
    ) -> prettyForm:
        if not isinstance(e, sympy.core.function.AppliedUndef):
            return super()._print_Function(e, sort, func_name, left, right)
        name = in_text(name_of(type(e).__name__, self._vectors))
        if e.args == (sympy.Symbol("tau"),):
            return prettyForm(name)
        brackets = ("[", "]") if name in ("E", "E_c") and e.args != (sympy.Symbol("t"),) else ("(", ")")
        return self._helper_print_function(
            e.func, e.args, sort=sort, func_name=type(e).__name__, left=brackets[0], right=brackets[1]
        )


def pretty(expression: sympy.Basic, vectors: Sequence[str] = ()) -> str:
    """An expression or equation for a terminal."""
    return str(_Printer(vectors).doprint(expression))
