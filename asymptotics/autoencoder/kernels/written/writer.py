"""What every writer of a generated source begins with: the system's names as names in the code, and how a function is set."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....common.numerics.code import codegen

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.training.update import Equations

SCHEDULE = ("alpha", "beta", "alpha_dot", "beta_dot")
#: What a network may know of the time, in the order of `Problem.told`.
TOLD = (*SCHEDULE, "time")
#: Nodes or points a tile: all that a tile needs lies in one buffer, so that its loops vectorise.
LANES = 64


def code_names(system: Equations) -> dict[sympy.Symbol, sympy.Symbol]:
    """Names in the code, by number, of what users name: fields of the vectors and trainable scalars."""
    import sympy

    from derivations import schedule
    from derivations.autoencoder.network.names import skip_at_time

    # Not real: no symbol of the engine is the same.
    names = {x: sympy.Symbol(f"omega_{a + 1}") for a, x in enumerate(system.fields)}
    names |= {
        x: sympy.Symbol(f"e_{u + 1}") for u, x in zip(system.decoder_vectors, system.residual_fields, strict=True)
    }
    for ch, fields in enumerate(system.channel_fields):
        names |= {x: sympy.Symbol(f"lambda{ch}_{a + 1}") for a, x in enumerate(fields)}
    names |= {x: sympy.Symbol(x.name) for x in system.denoiser.one_hot}
    # t is T(s)c in the assembly of the drift; b stands for the skip connection at the time.
    names |= {schedule.t: sympy.Symbol("time"), skip_at_time: sympy.Symbol("b", real=True)}
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

    def label_lines(self, row: str) -> list[str]:
        """Lines that read the one-hot label of a condition (``row`` of the array ``told``)."""
        return [f"label_{k} = told[{row}{k}]" for k in range(self.system.denoiser.labels)]

    def scalar_lines(self) -> list[str]:
        """Lines that read κ."""
        return [f"kappa_{k} = kappa[{k}]" for k in range(self.scalars)]

    def channel_weights(self) -> tuple[sympy.Expr, sympy.Expr]:
        """(y₀ − bα, y₁ − bβ): the coefficients of λ₀ and λ₁ in a residual field."""
        s, u = self.system, self.decoders[0]
        first, second = (self.clean(s.residual_definition[0].coeff(s.channel_fields[ch][u], 1)) for ch in (0, 1))
        return first, second

    def hoisted(self, outputs: Sequence[tuple[str, sympy.Expr]]) -> tuple[list[str], list[tuple[str, sympy.Expr]]]:
        """Lines that need the time, the label and the scalars alone, and the outputs in their terms.

        What c_in(t) and its like are is computed once a condition, not once a node.
        """
        import sympy

        from derivations.autoencoder.network.conditioning import Told

        if not (self.system.denoiser.conditioned or self.system.denoiser.labels):
            return [], list(outputs)
        fixed = {sympy.Symbol(f"kappa_{i}") for i in range(self.scalars)} | {sympy.Symbol("time")}
        fixed |= {self.clean(x) for x in self.system.denoiser.one_hot} | {sympy.Symbol("guidance_s", real=True)}
        known = {x for _, e in outputs for x in e.free_symbols if x in fixed or isinstance(x, Told)}
        found: dict[sympy.Expr, sympy.Symbol] = {}

        def name(e: sympy.Expr) -> sympy.Expr:
            return e if e.is_Atom else found.setdefault(e, sympy.Symbol(f"fixed_{len(found)}", real=True))

        def walk(e: sympy.Expr) -> sympy.Expr:
            if e.is_Atom or not e.free_symbols & known:
                return e
            if e.free_symbols <= known:
                return name(e)
            if e.is_Add or e.is_Mul:
                own = [x for x in e.args if x.free_symbols and x.free_symbols <= known]
                rest = [walk(x) for x in e.args if x not in own]
                return e.func(*rest, name(e.func(*own))) if own else e.func(*rest)
            return e.func(*[walk(x) for x in e.args])

        lighter = [(key, walk(e)) for key, e in outputs]
        return codegen.assignments([(str(x), e) for e, x in found.items()], self.backend, prefix="fx_"), lighter
