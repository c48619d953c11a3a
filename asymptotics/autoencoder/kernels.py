"""From a derived `System` to compiled functions: expectations over nodes, assembly of the drift, bulk loss.

One generated module a system; parameters are run-time arguments, so changing η, λ, centroids, spectra or times never
recompiles. The argument order is documented in the generated source and in `Kernels`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..common import codegen
from . import kernels_exact, kernels_forward
from .kernels_exact import IMPORTS, ExactMoments
from .kernels_forward import ForwardWriter

if TYPE_CHECKING:
    import sympy

    from derivations.engine import System

HEADER = '''"""Generated from the derivation of {name}: do not edit.

moments(z, w, mean, root, emean, eroot, R, Q, alpha, beta, alpha_dot, beta_dot, b, kappa, out)
    For every condition i (cluster and time): out[i] = Σ_k w[k] × the moments named in NAMES at the local fields
    ω = mean[i] + root[i] z[k] (encoder vectors {encoders}) and the conditional means of the residual fields
    e = emean[i] + eroot[i] z[k] (decoder vectors {decoders}); R[i] is their residual covariance.
noise(z, w, mean, root0, root1, umean, uroot0, uroot1, R0, R1, Q, alpha, beta, alpha_dot, beta_dot, tw, b, kappa, out)
    Second moments of g averaged over the times (weights tw): nodes z = (channel 0, channel 1).
assemble(moments, pi, c, t, varsigma, mass, theta, q, eta, lambda, rho, dtheta, dq)
    dΘ(s), dq(s) from the moments of every cluster (weights pi, coordinates c, T(s)c = t, eigenvalues varsigma).
bulk(alpha, beta, alpha_dot, beta_dot, Lambda, b): (loss/d, db/dτ) at one time.
channel_weights(alpha, beta, alpha_dot, beta_dot, b): coefficients of λ0 and λ1 in a residual field.
activations(z, kappa, phi), slopes(z, kappa, dphi): every φ_j and ∂φ_j/∂ω_a at the encoder fields z (points, encoders).
euler(z, gain, growth, coupling, kappa, network): noiseless Euler steps of the network part of a generated sample.
runge_kutta(z, gain, growth, h, coupling, kappa, network): the same in continuous time, by RK4 on steps of size h.

With {latent} latent coordinates c at every node (0: clusters have one c each): z = (Gaussian coordinates, c), the roots have
that many more columns, and the moments AC_a_m = A_a c_m are added. Only moments and noise are then written.
"""

import functools
import math

import numpy

try:
    from numba import njit
except ImportError:  # the NumPy back end needs no numba
    njit = None
'''


SCHEDULE = ("alpha", "beta", "alpha_dot", "beta_dot")
MOMENTS = "def moments(z, w, mean, root, emean, eroot, R, Q, alpha_, beta_, alpha_dot_, beta_dot_, b, kappa, out):"
NOISE = (
    "def noise(z, w, mean, root0, root1, umean, uroot0, uroot1, R0, R1, Q,"
    " alpha_, beta_, alpha_dot_, beta_dot_, tw, b, kappa, out):"
)


@dataclass(frozen=True)
class Kernels:
    """Compiled functions of one system, and what they need to know of it.

    ``encoders`` and ``decoders`` are the stacked vectors whose fields enter nonlinearly and whose residual fields enter
    linearly. ``names`` lists the columns of ``out``; ``kink`` says that Hessians come in the regression form; ``exact`` says
    which of "moments" and "noise" are closed forms that need no nodes, ``smooth`` that φ has no kink.
    """

    module: ModuleType
    p: int
    encoders: tuple[int, ...]
    decoders: tuple[int, ...]
    names: tuple[str, ...]
    kink: bool
    parameters: int
    skip: bool
    exact: tuple[str, ...] = ()
    smooth: bool = True

    def column(self, name: str) -> int:
        """Column of a named moment in ``out``."""
        return self.names.index(name)


def moment_names(
    p: int, encoders: Sequence[int], decoders: Sequence[int], parameters: int, kink: bool, latent: int = 0
) -> list[str]:
    """Names of the columns of the moment kernel, in order."""
    pairs = [(a, c) for a in range(p) for c in range(a, p)]
    names = [f"A_{a + 1}" for a in range(p)]
    if kink:
        names += [f"W{ch}_{a + 1}_{e + 1}" for ch in (0, 1) for a in range(p) for e in encoders]
        names += [f"G{ch}_{a + 1}_{u + 1}" for ch in (0, 1) for a in range(p) for u in decoders]
    names += [f"H{ch}_{a + 1}_{c + 1}" for ch in (0, 1) for a, c in pairs]
    names += [f"P_{a + 1}_{c + 1}" for a, c in pairs]
    names += [f"N{ch}_{a + 1}_{c + 1}" for ch in (0, 1) for a, c in pairs]
    names += [f"K_{k + 1}" for k in range(parameters)]
    return [*names, "potential", *(f"AC_{a + 1}_{m + 1}" for a in range(p) for m in range(latent))]


def _tanh_source() -> str:
    """tanh without a call or a branch: e^{−2|x|} by a Taylor polynomial of degree 15 of its 32nd root, squared five times.

    The absolute error is below 2e-15 everywhere.
    """
    from math import factorial

    polynomial = f"y / {float(factorial(15))!r}"
    for k in range(14, 1, -1):
        polynomial = f"y * ({1 / factorial(k)!r} + {polynomial})"
    lines = ["y = -2.0 * abs(x)", "y = (y if y > -44.0 else -44.0) * 0.03125", f"p = 1.0 + y * (1.0 + {polynomial})"]
    lines += ["p = p * p"] * 5
    lines += ["t = (1.0 - p) / (1.0 + p)", "return t if x > 0.0 else -t"]
    return "def _tanh(x):\n" + textwrap.indent("\n".join(lines), "    ")


TANH = _tanh_source()
#: Nodes a tile of the `noise` kernel: all that a tile needs lies in one buffer, so that its loops vectorise.
LANES = 64


class _Writer(ForwardWriter):
    """Writes the generated source of one system."""

    def __init__(self, system: System, backend: str, form: str, latent: int = 0) -> None:
        import sympy

        self.system = system
        self.latent = latent
        self.backend = backend
        self.p = system.p
        self.encoders = system.denoiser.encoders
        self.decoders = system.decoder_vectors
        # A user's parameter names could clash with those of the kernel.
        self.rename = {k: sympy.Symbol(f"kappa_{i}") for i, k in enumerate(system.denoiser.parameters)}
        self.pairs = [(a, c) for a in range(self.p) for c in range(a, self.p)]
        self.closed = self._closed_forms(form)
        self.kink = form == "regression" or (
            form in ("auto", "closed", "nodes") and system.has_kink and not self.closed
        )
        self.names = moment_names(self.p, self.encoders, self.decoders, len(self.rename), self.kink, latent)

    def _closed_forms(self, form: str) -> dict[str, str]:
        """Sources of "moments" and "noise" that need no nodes, where there are such."""
        from derivations.moments import NotClosed

        if self.latent or form not in ("auto", "closed"):
            return {}
        names = moment_names(self.p, self.encoders, self.decoders, len(self.rename), False)
        found: dict[str, str] = {}
        for centred in (False, True) if form == "closed" else (False,):
            exact = ExactMoments(self.system, self._clean, centred)
            try:
                body = [f"{x} = {x}_[i]" for x in SCHEDULE] + exact.moments_body(names)
                found["moments"] = self._over_conditions(MOMENTS, body)
                if ExactMoments.polynomial(self.system):
                    before, loop, after = exact.noise_body()
                    weights = codegen.assignments(list(zip(("c0", "c1"), self._channel_weights(), strict=True)))
                    loop = [*(f"{x} = {x}_[h]" for x in SCHEDULE), *weights, *loop]
                    body = [*before, "for h in range(tw.shape[0]):", *("    " + line for line in loop), *after]
                    found["noise"] = self._over_conditions(NOISE, body)
            except NotClosed:
                pass
            if found:
                break
        return found

    def _over_conditions(self, signature: str, body: list[str]) -> str:
        lines = [*self._gram_lines(), *self._scalar_lines(), "for i in range(mean.shape[0]):"]
        lines += ["    " + line for line in body]
        return self._decorate(signature + "\n" + textwrap.indent("\n".join(lines), "    "))

    def source(self) -> str:
        names = self.system.denoiser.vectors
        parts = [
            HEADER.format(
                name=self.system.denoiser.name,
                encoders=", ".join(names[a] for a in self.encoders),
                decoders=", ".join(names[a] for a in self.decoders),
                latent=self.latent,
            ),
            # Array code calls SciPy's special functions; compiled code does without.
            *(["import scipy.special"] if self.backend == "numpy" else []),
            f"ENCODERS = {self.encoders!r}\nDECODERS = {self.decoders!r}\nNAMES = {tuple(self.names)!r}\n"
            f"KINK = {self.kink!r}\nPARAMETERS = {len(self.rename)}\nVECTORS = {self.p}\n"
            f"SKIP = {self.system.denoiser.skip!r}\nEXACT = {tuple(self.closed)!r}\n"
            f"SMOOTH = {not self.system.has_kink!r}\n",
            *([] if self.backend == "numpy" else [self._decorate(TANH)]),
            *([IMPORTS] if self.closed else []),
            self.closed.get("moments") or self.moments(),
            self.closed.get("noise") or self.noise(),
        ]
        if not self.latent:
            parts += [self.assemble(), self.bulk(), self.activations()]
        return "\n\n".join(parts)

    # pieces ----------------------------------------------------------------------------------------------------

    def _clean(self, expression: sympy.Expr) -> sympy.Expr:
        return expression.subs(self.rename)

    def _decorate(self, text: str) -> str:
        if self.backend == "numpy":
            return text
        # Sums over nodes may be reassociated (that is what lets them vectorise), tanh is an inlined polynomial.
        flags = "{'contract', 'nsz', 'arcp', 'reassoc'}"
        text = text.replace("math.tanh(", "_tanh(")
        return f"@njit(cache=True, nogil=True, error_model='numpy', fastmath={flags})\n{text}"

    def _gram_lines(self) -> list[str]:
        return [f"Q_{a + 1}_{c + 1} = Q[{a}, {c}]" for a, c in self.pairs]

    def _scalar_lines(self) -> list[str]:
        return [f"kappa_{k} = kappa[{k}]" for k in range(len(self.rename))]

    def _field_lines(self, condition: str, vector: str = "z[k, {n}]") -> list[str]:
        """Local fields and conditional means of the residual fields at a node."""
        n = len(self.encoders)
        names = self.system.denoiser.vectors
        lines = []
        for i, a in enumerate(self.encoders):
            terms = " + ".join(f"root[{condition}, {i}, {m}] * {vector.format(n=m)}" for m in range(n))
            centre = [f"root[{condition}, {i}, {n + m}] * {vector.format(n=n + m)}" for m in range(self.latent)]
            if centre:
                lines.append(f"centre_{i} = mean[{condition}, {i}] + {' + '.join(centre)}")
            lines.append(
                f"omega_{names[a]} = " + (f"centre_{i}" if centre else f"mean[{condition}, {i}]") + f" + {terms}"
            )
        for j, u in enumerate(self.decoders):
            terms = " + ".join(f"eroot[{condition}, {j}, {m}] * {vector.format(n=m)}" for m in range(n + self.latent))
            lines.append(f"e_{names[u]} = emean[{condition}, {j}] + {terms}")
        return lines + [f"latent_{m} = {vector.format(n=n + m)}" for m in range(self.latent)]

    def _node_outputs(self) -> list[tuple[str, sympy.Expr]]:
        """The integrands, conditional on ω, with e at its conditional mean."""
        import sympy

        s = self.system
        outputs: list[tuple[str, sympy.Expr]] = [(f"A_{a + 1}", s.gradient[1][a]) for a in range(self.p)]
        if self.kink:
            for ch in (0, 1):
                for a in range(self.p):
                    for i, e in enumerate(self.encoders):
                        centred = s.fields[e] - sympy.Symbol(f"centre_{i}")
                        outputs.append((f"W{ch}_{a + 1}_{e + 1}", centred * s.gradient[ch][a]))
            for ch in (0, 1):
                for a in range(self.p):
                    for j, u in enumerate(self.decoders):
                        outputs.append((f"G{ch}_{a + 1}_{u + 1}", s.residual_slope[ch][a][j]))
        for ch in (0, 1):
            for a, c in self.pairs:
                value = sympy.Integer(0) if self.kink else s.hessian[ch][a][c]
                outputs.append((f"H{ch}_{a + 1}_{c + 1}", value))
        outputs += [(f"P_{a + 1}_{c + 1}", s.gram_derivative[a][c]) for a, c in self.pairs]
        for ch in (0, 1):
            for a, c in self.pairs:
                product = s.gradient[ch][a] * s.gradient[ch][c]
                for j in range(len(self.decoders)):
                    for k in range(len(self.decoders)):
                        r = sympy.Symbol(f"R_{min(j, k)}_{max(j, k)}")
                        product += s.residual_slope[ch][a][j] * s.residual_slope[ch][c][k] * r
                outputs.append((f"N{ch}_{a + 1}_{c + 1}", product))
        outputs += [(f"K_{k + 1}", g) for k, g in enumerate(s.scalar_gradient)]
        outputs.append(("potential", s.potential))
        latent = sympy.symbols(f"latent_:{self.latent}", real=True)
        outputs += [(f"AC_{a + 1}_{m + 1}", s.gradient[1][a] * x) for a in range(self.p) for m, x in enumerate(latent)]
        return [(name, self._clean(value)) for name, value in outputs]

    def moments(self) -> str:
        J = len(self.decoders)
        constants = [f"{x} = {x}_[i]" for x in SCHEDULE]
        constants += [f"R_{j}_{k} = R[i, {j}, {k}]" for j in range(J) for k in range(j, J)]
        constants += [f"centre_{i} = mean[i, {i}]" for i in range(len(self.encoders))] if self.kink else []
        outputs = self._node_outputs()
        outer = [*self._gram_lines(), *self._scalar_lines(), "for i in range(mean.shape[0]):"]
        if self.backend == "numpy":
            node = self._field_lines("i", "z[:, {n}]")
            node += codegen.assignments([(f"y_{k}", e) for k, (_, e) in enumerate(outputs)], "numpy")
            ending = [f"out[i, {k}] = numpy.dot(w, y_{k} + numpy.zeros(w.shape))" for k in range(len(outputs))]
            body = [*outer, *("    " + line for line in [*constants, *node, *ending])]
        else:
            node = self._field_lines("i", "z_{n}[k]")
            columns = [f"z_{m} = z[:, {m}].copy()" for m in range(len(self.encoders) + self.latent)]
            outer = [*outer[:-1], *columns, outer[-1]]
            live = [(k, e) for k, (_, e) in enumerate(outputs) if e != 0]
            node += codegen.assignments([(f"y_{k}", e) for k, e in live])
            node += [f"s_{k} += w[k] * y_{k}" for k, _ in live]
            zero = [f"s_{k} = 0.0" for k, _ in live]
            store = [f"out[i, {k}] = " + (f"s_{k}" if e != 0 else "0.0") for k, (_, e) in enumerate(outputs)]
            body = [*outer, *("    " + line for line in [*constants, *zero, "for k in range(w.shape[0]):"])]
            body += ["        " + line for line in node] + ["    " + line for line in store]
        return self._decorate(MOMENTS + "\n" + textwrap.indent("\n".join(body), "    "))

    def noise(self) -> str:
        """E_t E_t′ second moments; scalar code in both back ends (NumPy's is the same loop, unrolled over nodes)."""
        s, n, J = self.system, len(self.encoders), len(self.decoders)
        names = s.denoiser.vectors
        array = self.backend == "numpy"
        coordinate = "z[:, {m}]" if array else "z[k, {m}]"
        fields0, fields1, linear = [], [], []
        for i, a in enumerate(self.encoders):
            f0 = " + ".join(f"root0[i, {i}, {m}] * {coordinate.format(m=m)}" for m in range(n))
            f1 = " + ".join(f"root1[i, {i}, {m}] * {coordinate.format(m=n + m)}" for m in range(n + self.latent))
            fields0.append(f"l0_{names[a]} = {f0}")
            fields1.append(f"l1_{names[a]} = mean[i, {i}] + {f1}")
        for j in range(len(self.decoders)):
            f0 = " + ".join(f"uroot0[i, {j}, {m}] * {coordinate.format(m=m)}" for m in range(n))
            f1 = " + ".join(f"uroot1[i, {j}, {m}] * {coordinate.format(m=n + m)}" for m in range(n + self.latent))
            linear += [f"d0_{j} = {f0}", f"d1_{j} = umean[i, {j}] + {f1}"]
        time = [f"{x} = {x}_[h]" for x in SCHEDULE]
        time += [f"omega_{names[a]} = alpha * l0_{names[a]} + beta * l1_{names[a]}" for a in self.encoders]
        gs = [(f"g{ch}_{a}", s.gradient[ch][a]) for ch in (0, 1) for a in range(self.p)]
        slopes = [
            (f"h{ch}_{a}_{j}", s.residual_slope[ch][a][j]) for ch in (0, 1) for a in range(self.p) for j in range(J)
        ]
        weights = self._channel_weights()
        outputs = [(name, self._clean(e)) for name, e in gs + slopes if e != 0]
        time += codegen.assignments([("c0", weights[0]), ("c1", weights[1])], self.backend, prefix="c_")
        time += [f"e_{names[u]} = c0 * d0_{j} + c1 * d1_{j}" for j, u in enumerate(self.decoders)]
        time += codegen.assignments(outputs, self.backend)
        live_g = [name for name, e in gs if e != 0]
        live_h = [name for name, e in slopes if e != 0]
        time += [f"G{x} = G{x} + tw[h] * {x}" for x in live_g]
        # A residual field that is itself an encoder's is known at the node and needs no correction.
        free = [j for j, u in enumerate(self.decoders) if u not in self.encoders]
        needed = [x for x in live_h if int(x.rsplit("_", 1)[1]) in free]
        time += [f"{ch}{x} = {ch}{x} + tw[h] * {c} * {x}" for x in needed for ch, c in (("X", "c0"), ("Y", "c1"))]
        zero = [f"G{x} = 0.0" for x in live_g] + [f"{ch}{x} = 0.0" for x in needed for ch in "XY"]
        sums = []
        for ch in (0, 1):
            for a, c in self.pairs:
                terms = []
                if f"g{ch}_{a}" in live_g and f"g{ch}_{c}" in live_g:
                    terms.append(f"Gg{ch}_{a} * Gg{ch}_{c}")
                for j in free:
                    for m in free:
                        left, right = f"h{ch}_{a}_{j}", f"h{ch}_{c}_{m}"
                        if left in needed and right in needed:
                            terms.append(f"X{left} * X{right} * R0[i, {j}, {m}] + Y{left} * Y{right} * R1[i, {j}, {m}]")
                sums.append((f"N{ch}_{a + 1}_{c + 1}", " + ".join(terms) or "0.0"))
        head = [*self._gram_lines(), *self._scalar_lines(), "for i in range(mean.shape[0]):"]
        if array:
            inner = [*fields0, *fields1, *linear, *zero, "for h in range(tw.shape[0]):"]
            inner += ["    " + line for line in time]
            inner += [f"out[i, {k}] = numpy.dot(w, {e} + numpy.zeros(w.shape))" for k, (_, e) in enumerate(sums)]
        else:
            head, inner = self._tiled([*fields0, *fields1, *linear], zero, time, sums, head)
        body = head + ["    " + line for line in inner]
        return self._decorate(NOISE + "\n" + textwrap.indent("\n".join(body), "    "))

    @staticmethod
    def _tiled(
        fields: list[str], zero: list[str], time: list[str], sums: list[tuple[str, str]], head: list[str]
    ) -> tuple[list[str], list[str]]:
        """The noise kernel in tiles of `LANES` nodes, every variable of a node a row of one buffer."""
        kept = [line.split(" = ")[0] for line in [*fields, *zero]]
        place = {name: f"tile[{LANES * row} + l]" for row, name in enumerate(kept)}
        constant = [line for line in time if "[h]" in line.split(" = ")[1] and not line.startswith(("G", "X", "Y"))]
        varying = [line for line in time if line not in constant]
        used = [name for name in kept if any(re.search(rf"\b{name}\b", line) for line in varying)]
        read = [f"{name} = {place[name]}" for name in used]
        write = [f"{place[line.split(' = ')[0]]} = {line.split(' = ')[0]}" for line in zero]
        inner = [f"s_{k} = 0.0" for k in range(len(sums))]
        inner += [f"for start in range(0, w.shape[0], {LANES}):", f"    for l in range({LANES}):"]
        inner += ["        k = min(start + l, w.shape[0] - 1)"]
        inner += [f"        {place[line.split(' = ')[0]]} = {line.split(' = ', 1)[1]}" for line in [*fields, *zero]]
        inner += [
            "    for h in range(tw.shape[0]):",
            *("        " + line for line in constant),
            "        weight = tw[h]",
        ]
        inner += [f"        for l in range({LANES}):"]
        inner += ["            " + line.replace("tw[h]", "weight") for line in [*read, *varying, *write]]
        inner += [f"    for l in range(min({LANES}, w.shape[0] - start)):", "        k = start + l"]
        inner += [f"        {line.split(' = ')[0]} = {place[line.split(' = ')[0]]}" for line in zero]
        inner += [f"        s_{k} += w[k] * ({e})" for k, (_, e) in enumerate(sums)]
        inner += [f"out[i, {k}] = s_{k}" for k in range(len(sums))]
        return [*head[:-1], f"tile = numpy.empty({LANES * len(kept)})", head[-1]], inner

    def _channel_weights(self) -> tuple[sympy.Expr, sympy.Expr]:
        """(y₀ − bα, y₁ − bβ): the coefficients of λ₀ and λ₁ in a residual field."""
        s = self.system
        u = self.decoders[0]
        return tuple(s.residual_definition[0].coeff(s.channel_fields[ch][u], 1) for ch in (0, 1))  # type: ignore[return-value]

    def assemble(self) -> str:
        s, p = self.system, self.p
        used = {str(x) for e in [*s.theta_drift, *s.gram_drift.values()] for x in e.free_symbols}
        read = [f"{x} = moments[g, {self.names.index(x)}]" for x in self.names if x in used]
        rho = [f"rho_{a + 1} = rho[{a}]" for a in range(p)]
        q = [f"q_{a + 1}_{c + 1} = q[s, {a}, {c}]" for a, c in self.pairs]
        m = [
            f"m_{a + 1} = 0.0\nfor k in range(c.shape[1]):\n    m_{a + 1} += theta[s, {a}, k] * c[g, k]"
            for a in range(p)
        ]
        gram = codegen.assignments([(f"d_{a}_{c}", s.gram_drift[a, c]) for a, c in self.pairs], "numba")
        gram += [f"dq[s, {a}, {c}] += pi[g] * d_{a}_{c}" for a, c in self.pairs]
        theta = [f"Theta_{a + 1} = theta[s, {a}, k]" for a in range(p)] + ["t = t_[g, s, k]"]
        theta += codegen.assignments([(f"f_{a}", s.theta_drift[a]) for a in range(p)], "numba", prefix="v")
        theta += [f"dtheta[s, {a}, k] += pi[g] * f_{a}" for a in range(p)]
        loop = "\n".join(["varsigma = varsigma_[g, s]", "p_s = mass[s]", *q, *m, *gram, "for k in range(c.shape[1]):"])
        loop += "\n" + textwrap.indent("\n".join(theta), "    ")
        body = "\n".join(["dtheta[:] = 0.0", "dq[:] = 0.0", *rho, "for g in range(pi.shape[0]):"])
        body += "\n" + textwrap.indent("\n".join([*read, "for s in range(q.shape[0]):"]), "    ")
        body += "\n" + textwrap.indent(loop, " " * 8)
        mirror = [f"dq[s, {c}, {a}] = dq[s, {a}, {c}]" for a, c in self.pairs if a != c]
        if mirror:
            body += "\nfor s in range(q.shape[0]):\n" + textwrap.indent("\n".join(mirror), "    ")
        signature = "def assemble(moments, pi, c, t_, varsigma_, mass, theta, q, eta, lambda_, rho, dtheta, dq):"
        return self._decorate(signature + "\n" + textwrap.indent(body, "    "))

    def bulk(self) -> str:
        lines = codegen.assignments([("loss", self.system.bulk), ("slope", self.system.skip_drift)], "numpy")
        body = "\n".join([*lines, "return loss + 0.0 * alpha, slope + 0.0 * alpha"])
        bulk = "def bulk(alpha, beta, alpha_dot, beta_dot, Lambda, b):\n" + textwrap.indent(body, "    ")
        lines = codegen.assignments(list(zip(("c0", "c1"), self._channel_weights(), strict=True)), "numpy")
        body = "\n".join([*lines, "return c0 + 0.0 * alpha, c1 + 0.0 * alpha"])
        weights = "def channel_weights(alpha, beta, alpha_dot, beta_dot, b):\n" + textwrap.indent(body, "    ")
        return bulk + "\n\n\n" + weights + "\n"


def write_source(system: System, backend: str = "numba", form: str = "auto", latent: int = 0) -> str:
    """The generated source of a system's kernels."""
    return _Writer(system, backend, form, latent).source()


def compile_kernels(
    specification: Any, build: Any, *, backend: str = "numba", form: str = "auto", latent: int = 0
) -> Kernels:
    """Kernels of a system, from the cache where possible.

    Parameters
    ----------
    specification : object
        Says by its ``repr`` which denoiser this is (see `asymptotics.autoencoder.settings.Denoiser.specification`).
    build : callable
        Returns the derived `derivations.engine.System`; called only if no source is cached.
    backend : {"numba", "numpy"}
    form : {"auto", "closed", "nodes", "hessian", "regression"}
        How the moments are evaluated: with nodes, Stein's lemma by second derivatives of φ ("hessian") or by regression of g
        on the local fields ("regression", needed where φ has a kink); or without nodes, in closed form, which "auto" takes
        where there is one (see `kernels_exact`). "closed" promises fields of zero mean, where more is closed; "nodes" leaves
        the choice between the forms with nodes.
    latent : int
        Number of latent coordinates at every node (a continuous latent measure); 0: one c a cluster.
    """
    import importlib.util

    folder = importlib.util.find_spec("derivations").submodule_search_locations[0]  # type: ignore[union-attr, index]
    code = [f"{folder}/{name}.py" for name in ("engine", "denoiser", "vectors", "moments", "moment_terms")]
    code += [__file__, *(str(m.__file__) for m in (kernels_exact, kernels_forward, codegen))]
    key = (specification, backend, form, *([latent] if latent else []))
    source = codegen.cached_source(key, code, lambda: write_source(build(), backend, form, latent))
    module = codegen.load_module(source, backend)
    return Kernels(
        module=module,
        p=module.VECTORS,
        encoders=module.ENCODERS,
        decoders=module.DECODERS,
        names=module.NAMES,
        kink=module.KINK,
        parameters=module.PARAMETERS,
        skip=module.SKIP,
        exact=module.EXACT,
        smooth=module.SMOOTH,
    )
