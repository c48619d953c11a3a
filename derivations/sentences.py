"""Sentences as a paper prints them: formulae written with signs of Unicode become LaTeX, the words around them are escaped."""

from __future__ import annotations

import re
import unicodedata

GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma",
    "Phi", "Psi", "Omega", "varsigma", "ell",
)  # fmt: skip
ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}
OPERATORS = (
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
_FUNCTION = re.compile(rf"^[-(]*([A-Za-z]{{1,2}}|{'|'.join(GREEK)})'*\(")


def word_of(word: str) -> str:
    """A stem without indices."""
    for name, accent in ACCENTS.items():
        base = word.removesuffix(name)
        if base and base != word and (base in GREEK or len(base) == 1):
            return f"{accent}{{{word_of(base)}}}"
    if word in GREEK:
        return rf"\{word}" if word != "phi" else r"\varphi"
    if word in OPERATORS:
        return rf"\operatorname{{{word}}}"
    return word if len(word) == 1 or not word.isalpha() else rf"\mathrm{{{word}}}"


#: Words that end like the name of an accented letter (t with a hat).
_WORDS = ("that", "what", "That", "What", "hat", "bar")


def _is_formula(token: str) -> bool:
    core = token.strip(".,;:()")
    if not core or core in _WORDS:
        return False
    if re.fullmatch(r"[A-Za-z]{2,}'s|[A-Za-z]+(-[A-Za-z]+)+", core):
        return False
    decomposed = unicodedata.normalize("NFD", core)
    if core in GREEK or _MATHEMATICAL.search(decomposed) or _FUNCTION.match(token) or re.match(r"^-[(\d]", core):
        return True
    if re.fullmatch(r"[B-HJ-Zb-z]'*|[a-z]\d", core) or re.fullmatch(r"d[a-z]|d(tau|Theta)|[a-z]+_.*", core):
        return True
    if re.search(rf"(^|\W)({'|'.join(GREEK)}|[A-Za-z])(hat|bar|tilde)(\W|$)", core):
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
    return f"{head}${formula(piece)}${tail}" if piece else head + tail


def formula(text: str) -> str:
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
    if word in GREEK:
        return f"{word_of(word)} "
    if word in OPERATORS:
        return rf"\operatorname{{{word}}}"
    if word not in _WORDS and re.fullmatch(rf"({'|'.join(GREEK)}|[A-Za-z])(hat|bar|tilde)", word):
        return f"{word_of(word)} "
    match = re.fullmatch(rf"d({'|'.join(GREEK)}|[a-zA-Z])", word)
    if match:
        return rf"\mathrm d{word_of(match[1])} "
    split = re.fullmatch(rf"({'|'.join(GREEK)})([01])?", word)
    return f"{word_of(split[1])}" if split else word if len(word) == 2 else rf"\text{{{word}}}"


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
