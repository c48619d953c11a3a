"""Mathematics as a paper prints it: the names of symbols, lines broken to the page, a document around them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy
from sympy.printing.latex import LatexPrinter

from .sentences import ACCENTS, GREEK, formula, word_of

#: Width of a line of a display, in printed signs: an article's text at 10 points.
WIDTH = 74

#: Symbols whose names say what they are.
_WHOLE = {
    "E_alpha2": r"\mathbb{E}_t\,\alpha_t^2", "E_beta2": r"\mathbb{E}_t\,\beta_t^2", "E_beta": r"\mathbb{E}_t\,\beta_t",
    "VarY": r"\operatorname{Var}Y", "VarY_b": r"\operatorname{Var}Y_b", "CovY": r"\operatorname{Cov}Y", "detV": r"\det V",
    "trSigma_over_d": r"\tfrac1d\operatorname{Tr}\Sigma", "trSigma2_over_d": r"\tfrac1d\operatorname{Tr}\Sigma^2",
    "TrSigma^{-1}/d": r"\tfrac1d\operatorname{Tr}\Sigma^{-1}", "E Tr H^{2k}": r"\mathbb{E}\operatorname{Tr}H^{2k}",
    "E ln|K K^T|": r"\mathbb{E}\ln|KK^{\mathsf T}|", "d2f": "f''", "e2": "e_2", "dphi": r"\mathrm d\varphi", "X_i": r"\bar X",
    "d^n ell/d lambda1^n": r"\partial^n\ell/\partial\lambda_1^n", "d_lambda1": r"\partial_{\lambda_1}",
    "psi_n^*": r"\psi_n^{*}", "u_-": "u_{-}", "lambda": r"\lambda", "epsilon": r"\epsilon", "phi": r"\varphi",
}  # fmt: skip
#: Stems that carry numbers of channels and of vectors: (LaTeX, how many of the first indices are channels).
_INDEXED = {
    "Q": ("Q", 0), "q": ("q", 0), "P": ("P", 0), "Phat": (r"\hat P", 0), "Theta": (r"\Theta", 0), "A": ("A", 0),
    "rho": (r"\rho", 0), "m": ("m", 0), "B": ("B", 0), "N": ("N", 0), "DTheta": (r"\Delta\Theta", 0), "Dq": (r"\Delta q", 0),
    "H0": ("H^{(0)}", 0), "H1": ("H^{(1)}", 0), "N0": ("N^{(0)}", 0), "N1": ("N^{(1)}", 0), "g": ("g", 1), "h": ("h", 1),
    "z": ("z", 1),
}  # fmt: skip
_FIELDS = {
    "omega": r"\omega",
    "lambda0": r"\lambda^{(0)}",
    "lambda1": r"\lambda^{(1)}",
    "e": "e",
    "Z": "Z",
    "zeta": r"\zeta",
}


def direction(vectors: Sequence[str]) -> str:
    """What a reference direction is called: u, unless a weight vector has that name."""
    return next(letter for letter in "unkijv" if letter not in vectors)


def _short(vectors: Sequence[str]) -> list[str]:
    """What stands as an index for each vector: its name, or its number where all are numbered alike (w_1, w_2)."""
    stems = {name.partition("_")[0] for name in vectors}
    numbered = len(stems) == 1 and all(re.fullmatch(r"[A-Za-z]+_\d+", name) for name in vectors)
    return [name.partition("_")[2] if numbered else name_of(name) for name in vectors]


def _joined(indices: Sequence[str]) -> str:
    """Indices side by side: letters, digits and Greek letters as they are, names of several letters apart."""
    alone = all(len(i) == 1 or re.fullmatch(r"\\[A-Za-z]+", i) for i in indices)
    return (" " if any(i.startswith("\\") for i in indices) else "").join(indices) if alone else ",".join(indices)


def name_of(name: str, vectors: Sequence[str] = ()) -> str:
    """A symbol's name as LaTeX; numbers of vectors as the user named them.

    Parameters
    ----------
    name : str
    vectors : sequence of str
        Names of the stacked weight vectors.
    """
    if name in _WHOLE:
        return _WHOLE[name]
    if match := re.fullmatch(r"d([XYZWt]|Z_.+|W_.+)", name):
        return rf"\mathrm d{name_of(match[1], vectors)}"
    stem, _, rest = name.partition("_")
    if stem == "zu" and rest.isdigit():
        return f"z^{{({rest})}}_{{{direction(vectors)}}}"
    if stem in _INDEXED and rest:
        shown, channels = _INDEXED[stem]
        parts = rest.split("_")
        known = all(part.isdigit() or part in ("a", "b", "ab", "c", *GREEK) for part in parts)
        # A number alone is an index, not a channel.
        if known and len(parts) > channels:
            above = "".join(f"^{{({part})}}" for part in parts[:channels])
            names = _short(vectors)
            below = [
                names[int(p) - 1] if p.isdigit() and 0 < int(p) <= len(names) else p if p == "ab" else word_of(p)
                for p in parts[channels:]
            ]
            return f"{shown}{above}_{{{_joined(below)}}}"
    if stem in _FIELDS and rest:
        index = dict(zip(vectors, _short(vectors), strict=True)).get(rest, rest)
        return f"{_FIELDS[stem]}_{{{name_of(index) if not index.isdigit() else index}}}"
    if re.search(r"[\^|{}/ ]", name):
        return formula(name)
    if rest:
        if rest in ACCENTS:
            return f"{ACCENTS[rest]}{{{word_of(stem)}}}"
        under = {"infinity": r"\infty", "star": r"\star", "perp": r"\perp"}.get(rest)
        # Two indices, as of a matrix.
        numbers = rest.split("_") if re.fullmatch(r"\d+(_\d+)+", rest) else []
        return f"{word_of(stem)}_{{{under or (_joined(numbers) if numbers else name_of(rest))}}}"
    return word_of(name)


class _Printer(LatexPrinter):
    """SymPy's LaTeX with names of a paper, primes for derivatives of open functions, and expectations in brackets."""

    def __init__(self, vectors: Sequence[str]) -> None:
        super().__init__({"ln_notation": True, "inv_trig_style": "full", "mul_symbol": None})
        self._vectors = vectors

    def _print_Symbol(self, expr: sympy.Expr, style: str = "plain") -> str:
        return name_of(expr.name, self._vectors)

    _print_RandomSymbol = _print_Symbol

    def _print_Function(self, expr: sympy.Expr, exp: str | None = None) -> str:
        name = type(expr).__name__
        if not isinstance(expr, sympy.core.function.AppliedUndef):
            return str(super()._print_Function(expr, exp))
        arguments = ", ".join(map(self._print, expr.args))
        if name in ("E", "E_c") and expr.args != (sympy.Symbol("t"),):
            out = rf"\mathbb{{E}}{name[1:]}\left[{arguments}\right]"
        elif expr.args == (sympy.Symbol("tau"),) or name in ("Tr", "avg"):
            out = (
                f"{name_of(name, self._vectors)}"
                if name not in ("Tr", "avg")
                else rf"\operatorname{{{name}}}({arguments})"
            )
        else:
            out = rf"{name_of(name, self._vectors)}({arguments})"
        return out if exp is None else f"{out}^{{{exp}}}"

    def _print_Derivative(self, expr: sympy.Expr) -> str:
        inner, variables = expr.expr, expr.variable_count
        if isinstance(inner, sympy.core.function.AppliedUndef) and len(variables) == 1:
            variable, order = variables[0]
            if inner.args == (variable,) and order.is_Integer and variable.name not in ("tau", "t", "r"):
                primes = "'" * int(order) if order <= 3 else f"^{{({order})}}"
                return f"{name_of(type(inner).__name__, self._vectors)}{primes}({self._print(variable)})"
            if order == 1:
                # One fraction, as a paper writes it.
                return rf"\frac{{\mathrm d{self._print(inner)}}}{{\mathrm d{self._print(variable)}}}"
        if isinstance(inner, sympy.Symbol) and len(variables) == 1 and variables[0][1] == 1:
            return rf"\frac{{\mathrm d{self._print(inner)}}}{{\mathrm d{self._print(variables[0][0])}}}"
        return str(super()._print_Derivative(expr))

    def _print_Pow(self, expr: sympy.Expr) -> str:
        base, exponent = expr.as_base_exp()
        if isinstance(base, sympy.Derivative) and exponent.is_Integer and exponent > 0:
            return rf"{self._print(base)}^{{{exponent}}}"
        if (
            isinstance(base, sympy.Symbol)
            and "^" in name_of(base.name, self._vectors)
            and expr.is_commutative is not False
        ):
            shown = name_of(base.name, self._vectors)
            if exponent.is_Integer and exponent > 0:
                return rf"\left({shown}\right)^{{{exponent}}}"
        return str(super()._print_Pow(expr))


def latex(expression: sympy.Basic, vectors: Sequence[str] = ()) -> str:
    """An expression or equation on one line."""
    return _apart(str(_Printer(vectors).doprint(expression)))


#: A name of several letters in a formula, with its indices.
_LONG = r"\\mathrm\{[A-Za-z]{2,}\}(?:[_^]\{[^{}]*\})*"


def _apart(text: str) -> str:
    """Thin spaces between a name of several letters and the factors beside it."""
    text = re.sub(rf"({_LONG}) (?=[A-Za-z\d\\{{])(?!\\right|\\cdot|\\le|\\ge|\\to|\\in)", r"\1\\, ", text)
    return re.sub(rf"(?<=[A-Za-z\d}})]) (?={_LONG})", r"\\, ", text)


def width(text: str) -> int:
    """Printed signs of a formula, roughly: a command is one sign, a fraction as wide as its wider part."""
    text = re.sub(r"\\(left|right|mathrm|operatorname|mathbb|tfrac|displaystyle|,|;|!|quad)", "", text)
    # Functions are as wide as their names, with the space around them.
    text = re.sub(
        r"\\(tanh|cosh|sinh|cos|sin|exp|log|ln|min|max|det|arctan)(?![A-Za-z])", r"\1 x", text.replace(" ", "")
    )
    while match := re.search(r"\\frac\{((?:[^{}]|\{[^{}]*\})*)\}\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        text = text[: match.start()] + max(match[1], match[2], key=len) + text[match.end() :]
    return len(re.sub(r"\\[A-Za-z]+", "x", re.sub(r"[{}_^ &]", "", text)))


def display(equation: sympy.Basic, vectors: Sequence[str] = (), limit: int = WIDTH) -> str:
    """A displayed equation, its lines broken before a sign where it is wider than the page.

    Returns
    -------
    str
        An ``equation*`` or ``align*`` environment; what has no place to break is scaled down to the line.
    """
    whole = latex(equation, vectors)
    if width(whole) <= limit:
        return rf"\begin{{equation*}} {whole} \end{{equation*}}"
    if isinstance(equation, sympy.Equality):
        left, right = latex(equation.lhs, vectors), sympy.expand_mul(equation.rhs)
        lines = _lines(right, vectors, limit - min(width(left), 20) - 4)
        if max(map(width, lines)) <= limit + 4:
            body = f"{left} &= {lines[0]}" + "".join(rf" \\ &\quad {line}" for line in lines[1:])
            return rf"\begin{{align*}} {body} \end{{align*}}"
    return (
        r"\begin{equation*} \resizebox{\ifdim\width>\linewidth \linewidth\else \width\fi}{!}"
        rf"{{$\displaystyle {whole}$}} \end{{equation*}}"
    )


def _lines(expression: sympy.Basic, vectors: Sequence[str], limit: int) -> list[str]:
    lines: list[str] = []
    for term in expression.as_ordered_terms() if isinstance(expression, sympy.Add) else (expression,):
        shown = latex(term, vectors)
        signed = shown if shown.startswith("-") else f"+ {shown}"
        if lines and width(lines[-1]) + width(signed) <= limit:
            lines[-1] += f" {signed}"
        else:
            lines.append(signed if lines else shown)
    return lines


#: Head of a document that pdflatex and lualatex both take.
PREAMBLE = r"""\documentclass{article}
\usepackage[margin=2.2cm]{geometry}
\usepackage{iftex}
\iftutex\usepackage{fontspec}\else\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\fi
\usepackage{lmodern}
\usepackage{amsmath,amssymb,graphicx}
\setlength{\emergencystretch}{3em}
\sloppy
"""


def document(body: str) -> str:
    """A LaTeX document that compiles as it stands."""
    return PREAMBLE + "\\begin{document}\n" + body + "\n\\end{document}\n"
