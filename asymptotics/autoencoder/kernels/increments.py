"""Generated kernels of the finite-d fluctuations: the fields' functions with their derivatives, increments, Jacobian.

What the symbolic side (`derivations.autoencoder.fluctuations`) derives becomes one compiled module a denoiser; parameters are run-time
arguments. Functions of the local fields are tabulated at the nodes, one column each; sums over nodes are matrix products.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.numerics import codegen
from .nodes import code_names

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.fluctuations import Fluctuations, Increment

HEADER = '''"""Generated from the derivation of {name}: do not edit.

single(z, mean, root, emean, eroot, Q, alpha, beta, alpha_dot, beta_dot, b, kappa, out)
    Columns SINGLE at the nodes z of one cluster and time: local fields omega = mean + root z, residual fields at their
    conditional mean e = emean + eroot z.
shared(z, mean, root0, root1, umean, uroot0, uroot1, Q, alpha, beta, alpha_dot, beta_dot, tw, b, kappa, out)
    Columns SHARED, averaged over the times (weights tw): nodes z = (channel 0, channel 1).
increments(varsigma, mass, theta, q, eta, rho, Tg, TP, Gg, GP, Gs)
    Coefficients of the random increments of one atom (see `derivations.autoencoder.fluctuations.Increment`).
jacobian(moments, pi, c, varsigma, mass, theta, q, eta, lambda, rho, local, by_moment)
    Derivatives of the drift by the order parameters at fixed moments, and by the moments MOMENTS of every cluster.
norms(alpha, beta, alpha_dot, beta_dot, b): coefficients of x0.x0, x0.x1, x1.x1 in -1/2 d loss/d b.
skip_variance(c_00, c_01, c_11, varsigma): the variance of this slope, of one coordinate of eigenvalue varsigma.
skip_slope(alpha, beta, alpha_dot, beta_dot, Lambda, b): derivative of db/dtau by b.
channel_weights(alpha, beta, alpha_dot, beta_dot, b): coefficients of lambda0, lambda1 in a residual field.
"""

import math

import numpy
from asymptotics.common.numerics.compiled import njit
'''

SCHEDULE = ("alpha", "beta", "alpha_dot", "beta_dot")
_JIT = "@njit(cache=True, nogil=True, error_model='numpy', fastmath={'contract', 'nsz', 'arcp'})\n"


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


def _function(signature: str, body: list[str]) -> str:
    return _JIT + signature + "\n" + textwrap.indent("\n".join(body), "    ")


class _Writer:
    def __init__(self, f: Fluctuations) -> None:
        self.f, self.s = f, f.system
        self.encoders, self.decoders = self.s.denoiser.encoders, self.s.decoder_vectors
        self.names = [str(a + 1) for a in range(self.s.p)]
        self.rename, self.scalars = code_names(self.s), len(self.s.denoiser.parameters)
        self.free = [u for u in self.decoders if u not in self.encoders]

    def source(self) -> str:
        s, m = self.s, self.scalars
        pairs = [f"{a + 1}_{c + 1}" for a, c in self.f.pairs]
        moments = [f"A_{a + 1}" for a in range(s.p)] + [f"H{ch}_{x}" for ch in (0, 1) for x in pairs]
        moments += [f"P_{x}" for x in pairs] + [f"N{ch}_{x}" for ch in (0, 1) for x in pairs]
        explicit = [f"Q_{x}" for x in pairs] + ["b"] + [f"kappa_{k}" for k in range(m)]
        single, shared = self.single(), self.shared()
        constants = {
            "VECTORS": s.p, "ENCODERS": self.encoders, "DECODERS": self.decoders, "FREE": tuple(self.free),
            "PARAMETERS": m, "KINK": s.has_kink, "SHIFTS": self.f.shifts, "SKIP": s.denoiser.skip,
            "MOMENTS": tuple(moments), "EXPLICIT": tuple(explicit),
            "FUNCTIONS": tuple(self.f.functions), "SINGLE": single[0], "SHARED": shared[0],
        }  # fmt: skip
        head = HEADER.format(name=s.denoiser.name) + "\n".join(f"{k} = {v!r}" for k, v in constants.items())
        parts = [head, single[1], shared[1], self.increments(), self.jacobian(moments), self.skip()]
        return "\n\n\n".join(parts) + "\n"

    def _clean(self, x: sympy.Expr) -> sympy.Expr:
        return x.xreplace(self.rename)

    def _constants(self) -> list[str]:
        lines = [f"Q_{a + 1}_{c + 1} = Q[{a}, {c}]" for a, c in self.f.pairs]
        return lines + [f"kappa_{k} = kappa[{k}]" for k in range(self.scalars)]

    def _tabulate(self, table: dict[str, sympy.Expr]) -> tuple[tuple[str, ...], list[str]]:
        """Names of the non-zero columns, and the lines that compute them as y_0, y_1, …."""
        live = {k: self._clean(x) for k, x in table.items() if x != 0}
        return tuple(live), codegen.assignments([(f"y_{i}", x) for i, x in enumerate(live.values())])

    def single(self) -> tuple[tuple[str, ...], str]:
        """Every function with its derivatives by e (slopes), Q, b, κ, and the slopes of g's derivatives."""
        table = {}
        e = {f"e_{j}": x for j, x in enumerate(self.s.residual_fields)}
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
        body = [*self._constants(), *(f"centre_{i} = mean[{i}]" for i in n), "for k in range(z.shape[0]):"]
        body += ["    " + line for line in [*node, *lines, *(f"out[k, {i}] = y_{i}" for i in range(len(names)))]]
        signature = "def single(z, mean, root, emean, eroot, Q, alpha, beta, alpha_dot, beta_dot, b, kappa, out):"
        return names, _function(signature, body)

    def shared(self) -> tuple[tuple[str, ...], str]:
        """g, P and K averaged over times at fixed λ₀, λ₁; slopes by the decoders' fields that are no encoder's."""
        import sympy

        s = self.s
        free = {f"l{ch}_{u}": s.channel_fields[ch][u] for ch in (0, 1) for u in self.free}
        b = sympy.Symbol("b", real=True)

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
                symbols = {f"Q_{a + 1}_{c + 1}": s.gram[a, c] for a, c in self.f.pairs} | {"b": b}
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
        time = [f"{x} = {x}_[h]" for x in SCHEDULE]
        for a in sorted({*self.encoders, *self.decoders}):
            name = self.names[a]
            time.append(f"omega_{name} = alpha * lambda0_{name} + beta * lambda1_{name}")
        residuals = [(f"e_{self.names[u]}", self._clean(s.residual_definition[j])) for j, u in enumerate(self.decoders)]
        time += codegen.assignments(residuals, prefix="r") + lines
        time += [f"s_{i} += tw[h] * y_{i}" for i in range(len(names))]
        inner = [*node, *(f"s_{i} = 0.0" for i in range(len(names))), "for h in range(tw.shape[0]):"]
        inner += ["    " + line for line in time] + [f"out[k, {i}] = s_{i}" for i in range(len(names))]
        body = [*self._constants(), "for k in range(z.shape[0]):", *("    " + line for line in inner)]
        signature = (
            "def shared(z, mean, root0, root1, umean, uroot0, uroot1, Q,"
            " alpha_, beta_, alpha_dot_, beta_dot_, tw, b, kappa, out):"
        )
        return names, _function(signature, body)

    def _overlap_rows(self) -> list[str]:
        q = [f"q_{a + 1}_{c + 1} = q[{a}, {c}]" for a, c in self.f.pairs]
        return [f"rho_{a + 1} = rho[{a}]" for a in range(self.s.p)] + q + ["p_s = mass"]

    def increments(self) -> str:
        pairs = self.f.pairs
        index = {pair: i for i, pair in enumerate(pairs)}

        def overlap(row: Increment, array: str, r: int) -> list[tuple[str, sympy.Expr]]:
            out = []
            for (ch, a, z), x in row.overlap.items():
                parts = str(z).split("_")
                _expect(int(parts[1]) == ch, z)
                out.append((f"{array}[{r}, {ch}, {a}" + (f", {int(parts[2]) - 1}]" if parts[0] == "z" else "]"), x))
            return out

        gram, theta = [], []
        for r, pair in enumerate(pairs):
            row = self.f.gram_increment[pair]
            gram += overlap(row, "Gg", r)
            gram += [(f"GP[{r}, {index[key]}]", x) for key, x in row.gram.items()]
            gram += [(f"Gs[{r}, {ch}, {index[a, c]}]", x) for (ch, a, c), x in row.square.items()]
        for a, row in enumerate(self.f.theta_increment):
            gram += overlap(row, "Tg", a)
            theta += [(f"TP[{a}, {index[key]}, k]", x) for key, x in row.gram.items()]
        column = [f"Theta_{a + 1} = theta[{a}, k]" for a in range(self.s.p)] + codegen.assignments(theta, prefix="t")
        body = [*self._overlap_rows(), *codegen.assignments(gram), "for k in range(theta.shape[1]):"]
        body += ["    " + line for line in column]
        return _function("def increments(varsigma, mass, theta, q, eta, rho, Tg, TP, Gg, GP, Gs):", body)

    def jacobian(self, moments: list[str]) -> str:
        p, pairs, column = self.s.p, self.f.pairs, {x: i for i, x in enumerate(moments)}
        theta, gram = self.f.drift_derivatives
        by_q, by_theta = [], []
        for r, pair in enumerate(pairs):
            row = f"Q0 + s * {len(pairs)} + {r}"
            for x, value in gram[pair].items():
                stem, *rest = str(x).split("_")
                if str(x) in column:
                    by_q.append((f"by_moment[g, {row}, {column[str(x)]}]", value, "="))
                elif stem == "q":
                    a, c = (int(i) - 1 for i in rest)
                    by_q.append((f"local[{row}, Q0 + s * {len(pairs)} + {pairs.index((a, c))}]", value, "+= pi[g] *"))
                else:
                    _expect(stem == "m", x)
                    by_theta.append(
                        (f"local[{row}, (s * {p} + {int(rest[0]) - 1}) * K + k]", value, "+= pi[g] * c[g, k] *")
                    )
        for a in range(p):
            row = f"(s * {p} + {a}) * K + k"
            for x, value in theta[a].items():
                stem, *rest = str(x).split("_")
                if str(x) in column:
                    by_theta.append((f"by_moment[g, {row}, {column[str(x)]}]", value, "="))
                else:
                    _expect(stem == "Theta", x)
                    entry = f"local[{row}, (s * {p} + {int(rest[0]) - 1}) * K + k]"
                    by_theta.append((entry, value, "+= pi[g] *"))

        def write(rows: list[Any], prefix: str) -> list[str]:
            lines = codegen.assignments([(f"{prefix}v{i}", x) for i, (_, x, _) in enumerate(rows)], prefix=prefix + "x")
            return lines + [f"{entry} {how} {prefix}v{i}" for i, (entry, _, how) in enumerate(rows)]

        used = {str(x) for rows in [*theta, *gram.values()] for v in rows.values() for x in v.free_symbols}
        used |= {str(x) for rows in [*theta, *gram.values()] for x in rows}
        read = [f"{x} = moments[g, {i}]" for x, i in column.items() if x in used]
        m = [f"m_{a + 1} = 0.0\nfor k in range(K):\n    m_{a + 1} += theta[s, {a}, k] * c[g, k]" for a in range(p)]
        inner = [*(x.replace("q[", "q[s, ") for x in self._overlap_rows() if x[0] == "q"), "p_s = mass[s]"]
        inner += ["varsigma = varsigma_[g, s]", *m, *write(by_q, "a"), "for k in range(K):"]
        along = [f"Theta_{a + 1} = theta[s, {a}, k]" for a in range(p)] + ["t = t_[g, s, k]", *write(by_theta, "b")]
        loop = "\n".join(inner) + "\n" + textwrap.indent("\n".join(along), "    ")
        outer = "\n".join([*read, "for s in range(q.shape[0]):"]) + "\n" + textwrap.indent(loop, "    ")
        head = [x for x in self._overlap_rows() if x.startswith("rho")]
        head += ["K = theta.shape[2]", f"Q0 = theta.shape[0] * {p} * K", "local[:] = 0.0", "by_moment[:] = 0.0"]
        body = [*head, "for g in range(pi.shape[0]):\n" + textwrap.indent(outer, "    ")]
        signature = "def jacobian(moments, pi, c, t_, varsigma_, mass, theta, q, eta, lambda_, rho, local, by_moment):"
        return _function(signature, body)

    def skip(self) -> str:
        import sympy

        b = sympy.Symbol("b", real=True)
        norms = self.f.skip_increment if self.s.denoiser.skip else (sympy.Integer(0),) * 3
        s, u = self.s, self.decoders[0]
        weights = [s.residual_definition[0].coeff(s.channel_fields[ch][u], 1) for ch in (0, 1)]
        parts = []
        for name, arguments, outputs in (
            ("norms", "b", norms),
            ("skip_slope", "Lambda, b", (s.skip_drift.diff(b),)),
            ("channel_weights", "b", weights),
        ):
            values = [f"v{i}" for i in range(len(outputs))]
            lines = codegen.assignments(list(zip(values, outputs, strict=True)), "numpy")
            body = "\n".join([*lines, "return " + ", ".join(f"{v} + 0.0 * alpha" for v in values)])
            parts.append(f"def {name}({', '.join(SCHEDULE)}, {arguments}):\n" + textwrap.indent(body, "    "))
        lines = codegen.assignments([("v", self.f.skip_variance)], "numpy")
        head = "def skip_variance(c_00, c_01, c_11, varsigma):\n"
        parts.append(head + textwrap.indent("\n".join([*lines, "return v + 0.0 * varsigma"]), "    "))
        return "\n\n\n".join(parts)


def _expect(holds: bool, symbol: Any) -> None:
    if not holds:
        raise RuntimeError(f"{symbol}: no term that the kernels of the fluctuations know")


def compile_fluctuations(specification: Any, build: Any) -> FluctuationKernels:
    """Kernels of a denoiser's fluctuations, from the cache where possible.

    Parameters
    ----------
    specification : object
        Says by its ``repr`` which denoiser this is.
    build : callable
        Returns the derived `derivations.autoencoder.engine.System`; called only if no source is cached.
    """

    def write() -> str:
        from derivations.autoencoder.fluctuations import fluctuations

        return _Writer(fluctuations(build())).source()

    source = codegen.cached_source(("fluctuations", specification), [__name__, "derivations"], write)
    return FluctuationKernels(codegen.load_module(source))
