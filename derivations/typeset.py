"""Mathematics as a paper prints it: the names of symbols, sentences with formulae in them, and lines broken to the page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter

#: Width of a line of a display, in printed signs: an article's text at 10 points.
WIDTH = 74

_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma",
    "Phi", "Psi", "Omega", "varsigma", "ell",
)  # fmt: skip
_ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}
_OPERATORS = (
    "Tr",
    "Var",
    "Cov",
    "exp",
    "ln",
    "cos",
    "sin",
    "tanh",
    "arctan",
    "sign",
    "erf",
    "det",
    "avg",
    "KL",
    "MISE",
    "sup",
)
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


def _word(word: str) -> str:
    """A stem without indices."""
    for name, accent in _ACCENTS.items():
        base = word.removesuffix(name)
        if base and base != word and (base in _GREEK or len(base) == 1):
            return f"{accent}{{{_word(base)}}}"
    if word in _GREEK:
        return rf"\{word}" if word != "phi" else r"\varphi"
    if word in _OPERATORS:
        return rf"\operatorname{{{word}}}"
    return word if len(word) == 1 or not word.isalpha() else rf"\mathrm{{{word}}}"


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
        known = all(part.isdigit() or part in ("a", "b", "ab", "c", *_GREEK) for part in parts)
        # A number alone is an index, not a channel.
        if known and len(parts) > channels:
            above = "".join(f"^{{({part})}}" for part in parts[:channels])
            names = _short(vectors)
            below = [
                names[int(p) - 1] if p.isdigit() and 0 < int(p) <= len(names) else p if p == "ab" else _word(p)
                for p in parts[channels:]
            ]
            return f"{shown}{above}_{{{_joined(below)}}}"
    if stem in _FIELDS and rest:
        index = dict(zip(vectors, _short(vectors), strict=True)).get(rest, rest)
        return f"{_FIELDS[stem]}_{{{name_of(index) if not index.isdigit() else index}}}"
    if re.search(r"[\^|{}/ ]", name):
        return _formula(name)
    if rest:
        if rest in _ACCENTS:
            return f"{_ACCENTS[rest]}{{{_word(stem)}}}"
        under = {"infinity": r"\infty", "star": r"\star", "perp": r"\perp"}.get(rest)
        # Two indices, as of a matrix.
        numbers = rest.split("_") if re.fullmatch(r"\d+(_\d+)+", rest) else []
        return f"{_word(stem)}_{{{under or (_joined(numbers) if numbers else name_of(rest))}}}"
    return _word(name)


class _Printer(LatexPrinter):
    """SymPy's LaTeX with names of a paper, primes for derivatives of open functions, and expectations in brackets."""

    def __init__(self, vectors: Sequence[str]) -> None:
        super().__init__({"ln_notation": True, "inv_trig_style": "full", "mul_symbol": None})
        self._vectors = vectors

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return name_of(expr.name, self._vectors)

    _print_RandomSymbol = _print_Symbol

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
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

    def _print_Derivative(self, expr: Any) -> str:
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

    def _print_Pow(self, expr: Any) -> str:
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


# sentences ------------------------------------------------------------------------------------------------------

_SIGNS = {
    "−": "-", "·": r"\cdot ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "→": r"\to ", "×": r"\times ", "⟨": r"\langle ",
    "⟩": r"\rangle ", "‖": r"\|", "∂": r"\partial ", "∫": r"\int ", "≫": r"\gg ", "≪": r"\ll ", "∈": r"\in ", "≃": r"\simeq ",
    "≈": r"\approx ", "≠": r"\ne ", "±": r"\pm ", "ℓ": r"\ell ", "∝": r"\propto ", "½": r"\tfrac12 ", "′": "'", "Σ": r"\Sigma ",
    "′′": "''", "ϱ": r"\varrho ", "ᵀ": r"^{\mathsf T}", "∇": r"\nabla ", "…": r"\dots ", "∼": r"\sim ", "⊥": r"\perp ",
    "⁺": "^{+}",
}  # fmt: skip
_LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "ς": "varsigma", "τ": "tau", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_BELOW = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼ", "0123456789+-ij", strict=True))
_ABOVE = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True))
_COMBINING = {"\u0302": r"\hat", "\u0304": r"\bar", "\u0303": r"\tilde", "\u0307": r"\dot"}
_MATHEMATICAL = re.compile(r"[_^=+<>|\[\]{}⟨⟩−·√∞≤≥→×‖∂∫≫≪∈≃≈≠±½²³⁻⁰¹₀-₉₊₋ᵀ′∝∇]|[α-ωΑ-Ωςϱℓ]|[\u0302-\u0307]")
_FUNCTION = re.compile(rf"^[-(]*([A-Za-z]{{1,2}}|{'|'.join(_GREEK)})'*\(")


#: Words that end like the name of an accented letter (t with a hat).
_WORDS = ("that", "what", "That", "What", "hat", "bar")


def _is_formula(token: str) -> bool:
    core = token.strip(".,;:()")
    if not core or core in _WORDS:
        return False
    if re.fullmatch(r"[A-Za-z]{2,}'s|[A-Za-z]+(-[A-Za-z]+)+", core):
        return False
    decomposed = unicodedata.normalize("NFD", core)
    if core in _GREEK or _MATHEMATICAL.search(decomposed) or _FUNCTION.match(token) or re.match(r"^-[(\d]", core):
        return True
    if re.fullmatch(r"[B-HJ-Zb-z]'*|[a-z]\d", core) or re.fullmatch(r"d[a-z]|d(tau|Theta)|[a-z]+_.*", core):
        return True
    if re.search(rf"(^|\W)({'|'.join(_GREEK)}|[A-Za-z])(hat|bar|tilde)(\W|$)", core):
        return True
    if core.startswith(("sqrt(", "exp(", "ln", "Tr(", "Cov(", "Var(")) and "(" in token:
        return True
    return bool(re.search(r"\w[./]\w", core)) and not re.fullmatch(
        r"[A-Za-z]{3,}/[A-Za-z]{3,}|\d+\.\d+|[a-z]\.[a-z]\.?", core
    )


def sentence(text: str) -> str:
    """Prose in which every formula stands as mathematics, ``$…$``; the same for LaTeX and Markdown but for `escaped` signs."""
    tokens = text.split(" ")
    marks = [_is_formula(token) for token in tokens]
    for k, token in enumerate(tokens):
        joins = re.fullmatch(r"[-=+<>/*~]|<=|>=|->|\d+|[aAI]", token.strip(".,;:()"))
        before = k > 0 and marks[k - 1] and tokens[k - 1][-1] not in ".;:"
        after = k + 1 < len(tokens) and marks[k + 1]
        if not marks[k] and joins and before and (after or not token.strip(".,;:()").isalpha()):
            marks[k] = True
    out: list[str] = []
    k = 0
    while k < len(tokens):
        if not marks[k]:
            out.append(_escaped(tokens[k]))
            k += 1
            continue
        end = k
        while end < len(tokens) and marks[end]:
            end += 1
            # A formula ends where the sentence makes a pause, unless a bracket is open.
            piece = " ".join(tokens[k:end])
            if piece[-1] in ".,;:" and _balanced(piece):
                break
        out.append(_mathematics(" ".join(tokens[k:end])))
        k = end
    return " ".join(out)


def _balanced(text: str) -> bool:
    return all(text.count(a) <= text.count(b) for a, b in ("()", "[]", "{}"))


def _mathematics(piece: str) -> str:
    """``$…$`` of a formula, with the punctuation and unmatched brackets of the sentence left outside."""
    head = tail = ""
    while piece and piece[-1] in ".,;:":
        piece, tail = piece[:-1], piece[-1] + tail
    while piece.startswith("(") and piece.count("(") > piece.count(")"):
        piece, head = piece[1:], head + "("
    while piece.endswith(")") and piece.count(")") > piece.count("("):
        piece, tail = piece[:-1], ")" + tail
    while piece and piece[-1] in ".,;:":
        piece, tail = piece[:-1], piece[-1] + tail
    return f"{head}${_formula(piece)}${tail}" if piece else head + tail


def _formula(text: str) -> str:
    """A formula written on one line, in ASCII or Unicode, as LaTeX."""
    text = unicodedata.normalize("NFD", text)
    for mark, accent in _COMBINING.items():
        text = re.sub(rf"(.){mark}", lambda m, a=accent: f"{a}{{{m[1]}}}", text)  # type: ignore[misc]
    text = _runs(text, _BELOW, "_")
    text = _runs(text, _ABOVE, "^")
    text = _roots(text.replace("sqrt(", "√("))
    text = (
        text.replace("<=", r"\le ")
        .replace(">=", r"\ge ")
        .replace("->", r"\to ")
        .replace("+-", r"\pm ")
        .replace("~", r"\sim ")
    )
    text = re.sub(r"(?<=[A-Za-z0-9)'])\*(?=[A-Za-z0-9(\\])", " ", text).replace("*", "^{*}")
    text = re.sub(r"(?<=[A-Za-z0-9_)\]])\.(?=[A-Za-z(\\])", r"\\cdot ", text)
    text = re.sub(r"\bsum_", r"\\sum_", text)
    text = re.sub(
        r"_([A-Za-z0-9α-ωΑ-Ω]+(?:_[A-Za-z0-9]+)*)", lambda m: "_{" + " ".join(map(_index, m[1].split("_"))) + "}", text
    )
    text = re.sub(r"(?<![\w{^])([a-zA-Z])(\d)(?!\w)", r"\1_{\2}", text)
    text = re.sub(r"\^([A-Za-z0-9+-]|\d+)(?![}\w])", r"^{\1}", text)
    text = re.sub(r"\^\((-?[\w/+-]+)\)", r"^{\1}", text)
    text = re.sub(r"(?<![\\A-Za-z{])([A-Za-z]{2,})(?![A-Za-z}])", lambda m: _name(m[1]), text)
    text = "".join(_SIGNS.get(c, rf"\{_LETTERS[c]} " if c in _LETTERS else c) for c in text)
    return text.replace("%", r"\%").replace("#", r"\#").replace("&", r"\&")


def _index(part: str) -> str:
    return r"\infty" if part == "infinity" else _name(part) if part.isalpha() and len(part) > 1 else part


def _name(word: str) -> str:
    if word in _GREEK:
        return f"{_word(word)} "
    if word in _OPERATORS:
        return rf"\operatorname{{{word}}}"
    if word not in _WORDS and re.fullmatch(rf"({'|'.join(_GREEK)}|[A-Za-z])(hat|bar|tilde)", word):
        return f"{_word(word)} "
    match = re.fullmatch(rf"d({'|'.join(_GREEK)}|[a-zA-Z])", word)
    if match:
        return rf"\mathrm d{_word(match[1])} "
    split = re.fullmatch(rf"({'|'.join(_GREEK)})([01])?", word)
    return f"{_word(split[1])}" if split else word if len(word) == 2 else rf"\text{{{word}}}"


def _runs(text: str, table: dict[str, str], sign: str) -> str:
    return re.sub(f"[{''.join(table)}]+", lambda m: f"{sign}{{{''.join(table[c] for c in m[0])}}}", text)


def _roots(text: str) -> str:
    while "√" in text:
        k = text.index("√")
        if text[k + 1 : k + 2] == "(":
            depth, end = 0, len(text)
            for j in range(k + 1, len(text)):
                depth += (text[j] == "(") - (text[j] == ")")
                if depth == 0:
                    end = j
                    break
            inside, rest = text[k + 2 : end], text[end + 1 :]
        else:
            match = re.match(r"\\\w+\{[^}]*\}(?:_\{[^}]*\}|_\w+)?|\\?\w+(?:_\{[^}]*\})?|.", text[k + 1 :])
            inside = match[0] if match else ""
            rest = text[k + 1 + len(inside) :]
        text = f"{text[:k]}\\sqrt{{{inside}}}{rest}"
    return text


def _escaped(text: str) -> str:
    """A word of prose for LaTeX."""
    table = {
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "$": r"\$",
        "^": r"\^{}",
        "~": r"\~{}",
        "–": "--",
        "—": "---",
    }
    return "".join(table.get(c, c) for c in text)


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
