"""Generated kernels of the finite-d fluctuations: the fields' functions with their derivatives, increments, Jacobian.

What the symbolic side (`derivations.autoencoder.dynamics.fluctuations`) derives becomes one compiled module a denoiser;
parameters are run-time arguments. Functions of the local fields are tabulated at the nodes, one column each; sums over nodes
are matrix products.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ....common.numerics.code import codegen
from .writer import SCHEDULE, TOLD, Writer

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.dynamics.linear_noise import Expansion
    from derivations.autoencoder.training.update import Equations

HEADER = '''"""Generated from the derivation of {name}: do not edit.

single(z, mean, root, emean, eroot, Q, alpha, beta, alpha_dot, beta_dot, time, b, told, kappa, out)
    Columns SINGLE at the nodes z of one cluster and time: local fields omega = mean + root z, residual fields at their
    conditional mean e = emean + eroot z; b is the skip connection at the time, told the one-hot label.
shared(z, mean, root0, root1, umean, uroot0, uroot1, Q, alpha, beta, alpha_dot, beta_dot, time, tw, b, told, kappa, out)
    Columns SHARED, averaged over the times (weights tw): nodes z = (channel 0, channel 1).
LINEAR: A, B and N of a gradient step in the moments MOMENTS, as (which, a, e, moment, power of varsigma, coefficient).
norms(alpha, beta, alpha_dot, beta_dot, b): coefficients of x0.x0, x0.x1, x1.x1 in -1/2 d loss/d b.
skip_variance(c_00, c_01, c_11, varsigma): the variance of this slope, of one coordinate of eigenvalue varsigma.
skip_slope(alpha, beta, alpha_dot, beta_dot, Lambda, b): derivative of db/dtau by b.
channel_weights(alpha, beta, alpha_dot, beta_dot, b): coefficients of lambda0, lambda1 in a residual field.
"""

import math

import numpy
{njit}
'''


@dataclass(frozen=True)
class FluctuationKernels:
    """The compiled module of one denoiser, with its tables of columns as arrays."""

    module: ModuleType

    @cached_property
    def single(self) -> dict[str, int]:
        """Column of every tabulated function of one time."""
        return {name: k for k, name in enumerate(self.module.SINGLE)}

    @cached_property
    def shared(self) -> dict[str, int]:
        """Column of every function averaged over the times."""
        return {name: k for k, name in enumerate(self.module.SHARED)}

    def columns(self, table: dict[str, int], names: list[str], *suffixes: list[str]) -> np.ndarray:
        """Columns of ``name|suffix|…`` for all combinations; absent ones (zero) are the last column."""
        shape = (len(names), *map(len, suffixes))
        out = np.empty(shape, dtype=np.int64)
        for index in np.ndindex(*shape):
            key = "|".join([names[index[0]], *(s[i] for s, i in zip(suffixes, index[1:], strict=True))])
            out[index] = table.get(key, len(table))
        return out


class _Writer(Writer):
    def __init__(self, f: Expansion) -> None:
        super().__init__(f.system, "numba")
        self.f = f
        self.names = [str(a + 1) for a in range(self.p)]

    def source(self) -> str:
        s, m = self.system, self.scalars
        pairs = [f"{a + 1}_{c + 1}" for a, c in self.pairs]
        explicit = [f"Q_{x}" for x in pairs] + ["b"] + [f"kappa_{k}" for k in range(m)]
        single, shared = self.single(), self.shared()
        constants = {
            "VECTORS": s.p, "ENCODERS": self.encoders, "DECODERS": self.decoders, "FREE": tuple(self.free),
            "PARAMETERS": m, "KINK": s.has_kink, "SHIFTS": self.f.shifts, "SKIP": s.denoiser.skip,
            "MOMENTS": tuple(self.moment_names()), "LINEAR": self.linear(), "EXPLICIT": tuple(explicit),
            "FUNCTIONS": tuple(self.f.functions), "SINGLE": single[0], "SHARED": shared[0],
        }  # fmt: skip
        head = HEADER.format(name=s.denoiser.name, njit=codegen.NJIT) + "\n".join(
            f"{k} = {v!r}" for k, v in constants.items()
        )
        parts = [head, single[1], shared[1], self.skip()]
        return "\n\n\n".join(parts) + "\n"

    def _tabulate(self, table: dict[str, sympy.Expr]) -> tuple[tuple[str, ...], list[str]]:
        """Names of the non-zero columns, and the lines that compute them as y_0, y_1, …."""
        live = {k: self.clean(x) for k, x in table.items() if x != 0}
        return tuple(live), codegen.assignments([(f"y_{i}", x) for i, x in enumerate(live.values())])

    def single(self) -> tuple[tuple[str, ...], str]:
        """Every function with its derivatives by e (slopes), Q, b, κ, and the slopes of g's derivatives."""
        table = {}
        e = {f"e_{j}": x for j, x in enumerate(self.system.residual_fields)}
        for name, function in self.f.functions.items():
            table[name] = function
            for variable, derivative in self.f.explicit[name].items():
                table[f"{name}|{variable}"] = derivative
                if name[0] == "g" and variable not in e:
                    table |= {f"{name}|{variable}|{j}": derivative.diff(x) for j, x in e.items()}
        names, lines = self._tabulate(table)
        n = range(len(self.encoders))
        node = []
        for i, a in enumerate(self.encoders):
            node.append(f"omega_{self.names[a]} = mean[{i}] + " + " + ".join(f"root[{i}, {m}] * z[k, {m}]" for m in n))
        for j, u in enumerate(self.decoders):
            node.append(f"e_{self.names[u]} = emean[{j}] + " + " + ".join(f"eroot[{j}, {m}] * z[k, {m}]" for m in n))
        body = [*self.constants(), *self.label_lines(""), *(f"centre_{i} = mean[{i}]" for i in n)]
        body += ["for k in range(z.shape[0]):"]
        body += ["    " + line for line in [*node, *lines, *(f"out[k, {i}] = y_{i}" for i in range(len(names)))]]
        signature = f"def single(z, mean, root, emean, eroot, Q, {', '.join(TOLD)}, b, told, kappa, out):"
        return names, self.function(signature, body)

    def shared(self) -> tuple[tuple[str, ...], str]:
        """g, P and K averaged over times at fixed λ₀, λ₁; slopes by the decoders' fields that are no encoder's."""
        import sympy

        s, b = self.system, self.f.skip
        free = {f"l{ch}_{u}": s.channel_fields[ch][u] for ch in (0, 1) for u in self.free}

        def total(x: sympy.Expr, variable: sympy.Symbol) -> sympy.Expr:
            """Derivative at fixed channel fields: e moves with them and with b."""
            along = sum(
                (x.diff(e) * r.diff(variable) for e, r in zip(s.residual_fields, s.residual_definition, strict=True)),
                sympy.Integer(0),
            )
            return x.diff(variable) + along

        table = {}
        for name, function in self.f.functions.items():
            if name[0] not in "gPK":
                continue
            table[name] = function
            table |= {f"{name}|{j}": total(function, x) for j, x in free.items()}
            if name[0] != "g":
                continue
            for variable in self.f.explicit[name]:
                if variable[0] == "e":
                    continue
                symbols = {f"Q_{a + 1}_{c + 1}": s.gram[a, c] for a, c in self.pairs} | {"b": b}
                symbols |= {f"kappa_{k}": x for k, x in enumerate(s.denoiser.parameters)}
                derivative = total(function, symbols[variable])
                table[f"{name}|{variable}"] = derivative
                table |= {f"{name}|{variable}|{j}": total(derivative, x) for j, x in free.items()}
            if "b" not in self.f.explicit[name]:
                table[f"{name}|b"] = total(function, b)
                table |= {f"{name}|b|{j}": total(table[f"{name}|b"], x) for j, x in free.items()}
        names, lines = self._tabulate(table)
        n = len(self.encoders)
        node = []
        for ch, stem in ((0, "0"), (1, "1")):
            for i, a in enumerate(self.encoders):
                mean = f"mean[{i}] + " if ch else ""
                terms = " + ".join(f"root{stem}[{i}, {m}] * z[k, {ch * n + m}]" for m in range(n))
                node.append(f"lambda{stem}_{self.names[a]} = {mean}{terms}")
            for j, u in enumerate(self.decoders):
                if u in self.free:
                    mean = f"umean[{j}] + " if ch else ""
                    terms = " + ".join(f"uroot{stem}[{j}, {m}] * z[k, {ch * n + m}]" for m in range(n))
                    node.append(f"lambda{stem}_{self.names[u]} = {mean}{terms}")
        time = [f"{x} = {x}_[h]" for x in (*TOLD, "b")]
        for a in sorted({*self.encoders, *self.decoders}):
            name = self.names[a]
            time.append(f"omega_{name} = alpha * lambda0_{name} + beta * lambda1_{name}")
        residuals = [(f"e_{self.names[u]}", self.clean(s.residual_definition[j])) for j, u in enumerate(self.decoders)]
        time += codegen.assignments(residuals, prefix="r") + lines
        time += [f"s_{i} += tw[h] * y_{i}" for i in range(len(names))]
        inner = [*node, *(f"s_{i} = 0.0" for i in range(len(names))), "for h in range(tw.shape[0]):"]
        inner += ["    " + line for line in time] + [f"out[k, {i}] = s_{i}" for i in range(len(names))]
        body = [*self.constants(), *self.label_lines(""), "for k in range(z.shape[0]):", *("    " + x for x in inner)]
        times = ", ".join(f"{x}_" for x in TOLD)
        signature = f"def shared(z, mean, root0, root1, umean, uroot0, uroot1, Q, {times}, tw, b_, told, kappa, out):"
        return names, self.function(signature, body)

    def linear(self) -> tuple[tuple[str, int, int, int, int, float], ...]:
        """A, B and N of a gradient step as linear maps of the moments: (which, a, e, moment, power of ς, coefficient)."""
        import sympy

        from derivations.autoencoder.network.names import varsigma

        A, B, N = self.system.gradient_drift
        place = {name: i for i, name in enumerate(self.moment_names())}
        entries = [("A", a, 0, A[a]) for a in range(self.p)]
        entries += [("B", a, e, B[a, e]) for a in range(self.p) for e in range(self.p)]
        entries += [("N", a, e, N[min(a, e), max(a, e)]) for a in range(self.p) for e in range(self.p)]
        rows = []
        for which, a, e, expression in entries:
            for x in sorted(expression.free_symbols - {varsigma}, key=str):
                terms = sympy.Poly(sympy.expand(expression).coeff(x, 1), varsigma).terms()
                rows += [(which, a, e, place[str(x)], int(power), float(value)) for (power,), value in terms]
        return tuple(rows)

    def moment_names(self) -> list[str]:
        """The moments that the drift of Θ and q is made of."""
        pairs = [f"{a + 1}_{c + 1}" for a, c in self.pairs]
        moments = [f"A_{a + 1}" for a in range(self.p)] + [f"H{ch}_{x}" for ch in (0, 1) for x in pairs]
        return moments + [f"P_{x}" for x in pairs] + [f"N{ch}_{x}" for ch in (0, 1) for x in pairs]

    def skip(self) -> str:
        import sympy

        s = self.system
        norms = self.f.skip_increment if s.denoiser.skip else (sympy.Integer(0),) * 3
        parts = []
        for name, arguments, outputs in (
            ("norms", "b", norms),
            ("skip_slope", "Lambda, b", (s.skip_drift.diff(self.f.skip),)),
            ("channel_weights", "b", self.channel_weights()),
        ):
            values = [f"v{i}" for i in range(len(outputs))]
            cleaned = [self.clean(x) for x in outputs]
            lines = codegen.assignments(list(zip(values, cleaned, strict=True)), "numpy")
            body = "\n".join([*lines, "return " + ", ".join(f"{v} + 0.0 * alpha" for v in values)])
            parts.append(f"def {name}({', '.join(SCHEDULE)}, {arguments}):\n" + textwrap.indent(body, "    "))
        lines = codegen.assignments([("v", self.f.skip_variance)], "numpy")
        head = "def skip_variance(c_00, c_01, c_11, varsigma):\n"
        parts.append(head + textwrap.indent("\n".join([*lines, "return v + 0.0 * varsigma"]), "    "))
        return "\n\n\n".join(parts)


def compile_fluctuations(specification: object, build: Callable[[], Equations]) -> FluctuationKernels:
    """Kernels of a denoiser's fluctuations, from the cache where possible.

    Parameters
    ----------
    specification : object
        Says by its ``repr`` which denoiser this is.
    build : callable
        Returns the derived `derivations.autoencoder.engine.System`; called only if no source is cached.
    """

    def write() -> str:
        from derivations.autoencoder.dynamics.fluctuations import fluctuations

        return _Writer(fluctuations(build())).source()

    source = codegen.cached_source(("fluctuations", specification), [__name__, "derivations"], write)
    return FluctuationKernels(codegen.load_module(source))
