"""The letters of our output in encodings that do not have them: a terminal or a log file in ASCII or Latin-1."""

from __future__ import annotations

import unicodedata

PLAIN = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "ε": "epsilon", "η": "eta", "θ": "theta", "Θ": "Theta",
    "κ": "kappa", "λ": "lambda", "Λ": "Lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "Σ": "Sigma", "ς": "sigma", "τ": "tau", "φ": "phi", "ϕ": "phi", "ϱ": "rho", "ψ": "psi", "ω": "omega", "Ω": "Omega",
    "ℓ": "l", "±": "+-", "×": "x", "·": ".", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">=",
    "≠": "!=", "≈": "~", "∈": "in", "∞": "inf", "√": "sqrt", "∂": "d", "∇": "grad", "‖": "|", "⟨": "<", "⟩": ">", "∝": "~",
    "‰": "permille", "“": '"', "”": '"', "’": "'", "‘": "'", "█": "#",
    "⋅": "*", "─": "-", "━": "-", "│": "|", "╱": "/", "╲": "\\",
}  # fmt: skip
#: Pieces of tall brackets and integral signs, as SymPy prints them.
PLAIN |= dict.fromkeys("⎛⎜⎝", "(") | dict.fromkeys("⎞⎟⎠", ")") | dict.fromkeys("⎡⎢⎣", "[") | dict.fromkeys("⎤⎥⎦", "]")
PLAIN |= dict.fromkeys("⎧⎨⎩⎪", "{") | dict.fromkeys("⎫⎬⎭", "}") | dict.fromkeys("⌠⎮⌡", "|")


def in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Error handler of `codecs`: what an encoding does not have, in letters that it has (é as e, τ as tau, else an escape)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = []
    for letter in error.object[error.start : error.end]:
        bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        plain.append(PLAIN.get(letter) or bare or letter.encode("ascii", "backslashreplace").decode())
    return "".join(plain), error.end
