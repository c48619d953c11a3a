"""What every writer of a generated source begins with: the system's names as names in the code, and how a function is set."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.update import Equations

SCHEDULE = ("alpha", "beta", "alpha_dot", "beta_dot")


def code_names(system: Equations) -> dict[sympy.Symbol, sympy.Symbol]:
    """Names in the code, by number, of what users name: fields of the vectors and trainable scalars."""
    import sympy

    # Not real: no symbol of the engine is the same.
    names = {x: sympy.Symbol(f"omega_{a + 1}") for a, x in enumerate(system.fields)}
    names |= {
        x: sympy.Symbol(f"e_{u + 1}") for u, x in zip(system.decoder_vectors, system.residual_fields, strict=True)
    }
    for ch, fields in enumerate(system.channel_fields):
        names |= {x: sympy.Symbol(f"lambda{ch}_{a + 1}") for a, x in enumerate(fields)}
    return names | {k: sympy.Symbol(f"kappa_{i}") for i, k in enumerate(system.denoiser.parameters)}


class Writer:
    """Of one system, for one back end.

    Parameters
    ----------
    system : Equations
    backend : {"numba", "numpy"}
    flags : sequence of str
        What the compiler may do with sums and products.
    """

    def __init__(self, system: Equations, backend: str, flags: Sequence[str] = ("contract", "nsz", "arcp")) -> None:
        self.system, self.backend, self.flags = system, backend, flags
        self.p = system.p
        self.encoders, self.decoders = system.denoiser.encoders, system.decoder_vectors
        #: Decoder vectors that are no encoders.
        self.free = [u for u in self.decoders if u not in self.encoders]
        self.rename, self.scalars = code_names(system), len(system.denoiser.parameters)
        self.pairs = [(a, c) for a in range(self.p) for c in range(a, self.p)]

    def clean(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression in the code's names."""
        return expression.xreplace(self.rename)

    def decorate(self, text: str) -> str:
        """A function as the back end takes it."""
        if self.backend == "numpy":
            return text
        flags = ", ".join(map(repr, self.flags))
        return f"@njit(cache=True, nogil=True, error_model='numpy', fastmath={{{flags}}})\n{text}"

    def function(self, signature: str, body: Sequence[str]) -> str:
        """A function of these lines."""
        return self.decorate(signature + "\n" + textwrap.indent("\n".join(body), "    "))

    def constants(self) -> list[str]:
        """Lines that read Q and κ."""
        lines = [f"Q_{a + 1}_{c + 1} = Q[{a}, {c}]" for a, c in self.pairs]
        return lines + self.scalar_lines()

    def scalar_lines(self) -> list[str]:
        """Lines that read κ."""
        return [f"kappa_{k} = kappa[{k}]" for k in range(self.scalars)]

    def channel_weights(self) -> tuple[sympy.Expr, sympy.Expr]:
        """(y₀ − bα, y₁ − bβ): the coefficients of λ₀ and λ₁ in a residual field."""
        s, u = self.system, self.decoders[0]
        first, second = (s.residual_definition[0].coeff(s.channel_fields[ch][u], 1) for ch in (0, 1))
        return first, second
