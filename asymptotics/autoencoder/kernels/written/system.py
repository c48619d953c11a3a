"""The generated module of a system: its moments, noise, increments, bulk loss, breaks and flow."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ....common.numerics.code import codegen
from . import proof as kernels_proof
from .closed import IMPORTS, ExactMoments
from .nodes import MOMENTS, NOISE, NodesWriter
from .writer import SCHEDULE, TOLD

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.engine import System

_log = logging.getLogger(__name__)

HEADER = '''"""Generated from the derivation of {name}: do not edit.

moments(z, w, mean, root, emean, eroot, R, Q, alpha, beta, alpha_dot, beta_dot, time, b, told, kappa, out)
    For every condition i (cluster and time, with the skip connection b[i] there and the one-hot label told[i]): out[i] =
    Σ_k w[k] × the moments named in NAMES at the local fields ω = mean[i] + root[i] z[k] (encoder vectors {encoders}) and the
    conditional means of the residual fields e = emean[i] + eroot[i] z[k] (decoder vectors {decoders}); R[i] is their residual covariance.
noise(z, w, mean, root0, root1, umean, uroot0, uroot1, R0, R1, Q, alpha, beta, alpha_dot, beta_dot, time, tw, b, told,
    kappa, out)
    Second moments of g averaged over the times (weights tw): nodes z = (channel 0, channel 1).
increments(moments, pi, varsigma, A, B, N)
    From the moments of every cluster (weights pi, eigenvalues varsigma): what a gradient step adds along any vector,
    A (clusters, vectors) times its mean there and B (atoms, vectors, vectors) times its overlaps; N (atoms, vectors, vectors) of the
    noise, per share of the directions and 2 eta.
bulk(alpha, beta, alpha_dot, beta_dot, Lambda, b): (loss/d, db/dτ) at one time.
channel_weights(alpha, beta, alpha_dot, beta_dot, b): coefficients of λ0 and λ1 in a residual field.
breaks(now, told, kappa, out): where every encoder's field has its break, or φ varies in it, PLACES times; then on what scales.
linear(told, Lambda, skip, c0, c1, loss, slope): both at all times, where b = skip[h].
activations(z, now, told, kappa, phi), slopes(z, now, told, kappa, dphi): every φ_j and ∂φ_j/∂ω_a at the encoder fields z (points,
    encoders), at the time of now = (alpha, beta, alpha_dot, beta_dot, time), with the one-hot label told.
euler(z, gain, growth, now, told, guidance, coupling, kappa, network): noiseless Euler steps of the network part of a generated
    sample; now (5, steps); with labels φ is (1 + guidance) φ(told) - guidance φ(no label) at every step.
runge_kutta(z, gain, growth, h, now, told, guidance, coupling, kappa, network): the same in continuous time, by RK4 on steps of h.

With {latent} latent coordinates c at every node (0: clusters have one c each): z = (Gaussian coordinates, c), the roots have
that many more columns, and the moments AC_a_m = A_a c_m are added. Only moments, noise and channel_weights are then written.
"""

import functools
import math

import numpy
'''


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


#: (e^r − 1)/r for r ≤ 0, fitted so that the largest error of 64 e^{64 r} × e^r is smallest (2.1e-16).
_EXPONENTIAL = (
    0.9999999999999957, 0.49999999999846495, 0.1666666665005494, 0.04166665892652548, 0.00833315659759629,
    0.001386840232908207, 0.00018693824191877255,
)  # fmt: skip


def _tanh_source() -> str:
    """tanh without a call or a branch: e^{−2|x|} by a polynomial of its 64th root, squared six times.

    The absolute error is below 4e-15 everywhere.
    """
    *others, polynomial = (repr(c) for c in _EXPONENTIAL)
    for c in reversed(others):
        polynomial = f"{c} + y * ({polynomial})"
    lines = ["y = abs(x) * -0.03125", "y = y if y > -0.6875 else -0.6875", f"p = 1.0 + y * ({polynomial})"]
    lines += ["p = p * p"] * 6
    lines += ["t = (1.0 - p) / (1.0 + p)", "return t if x > 0.0 else -t"]
    return "def _tanh(x):\n" + textwrap.indent("\n".join(lines), "    ")


TANH = _tanh_source()


class SystemWriter(NodesWriter):
    """Writes the generated source of one system."""

    def __init__(self, system: System, backend: str, form: str, latent: int = 0) -> None:
        super().__init__(system, backend, latent)
        self.closed = self._closed_forms(form)
        self.kink = form == "regression" or (
            form in ("auto", "closed", "nodes") and system.has_kink and not self.closed
        )
        self.names = moment_names(self.p, self.encoders, self.decoders, self.scalars, self.kink, latent)

    def _closed_forms(self, form: str) -> dict[str, str]:
        """Sources of "moments" and "noise" that need no nodes, where there are such."""
        from derivations.autoencoder.training.moments import NotClosed

        if self.latent or form not in ("auto", "closed"):
            return {}
        names = moment_names(self.p, self.encoders, self.decoders, self.scalars, False)
        for centred in (False, True) if form == "closed" else (False,):
            found: dict[str, str] = {}
            exact = ExactMoments(self.system, self.clean, centred)
            try:
                body = [f"{x} = {x}_[i]" for x in (*TOLD, "b")] + self.label_lines("i, ") + exact.moments_body(names)
                found["moments"] = self._over_conditions(MOMENTS, body)
                if ExactMoments.polynomial(self.system):
                    before, loop, after = exact.noise_body()
                    weights = codegen.assignments(list(zip(("c0", "c1"), self.channel_weights(), strict=True)))
                    loop = [*(f"{x} = {x}_[h]" for x in (*TOLD, "b")), *weights, *loop]
                    body = [
                        *self.label_lines("i, "),
                        *before,
                        "for h in range(tw.shape[0]):",
                        *("    " + line for line in loop),
                        *after,
                    ]
                    found["noise"] = self._over_conditions(NOISE, body)
            except NotClosed:
                pass
            if found:
                plain = {name: text[text.index("def ") :] for name, text in found.items()}
                wrong = kernels_proof.disagreement(self.system, names, IMPORTS, plain, centred)
                if not wrong:
                    return found
                _log.warning("%s: a closed form is not used: %s", self.system.denoiser.name, wrong)
        return {}

    def _over_conditions(self, signature: str, body: list[str]) -> str:
        lines = [*self.constants(), "for i in range(mean.shape[0]):", *("    " + line for line in body)]
        return self.function(signature, lines)

    def source(self) -> str:
        names = self.system.denoiser.vectors
        parts = [
            HEADER.format(
                name=self.system.denoiser.name,
                encoders=", ".join(names[a] for a in self.encoders),
                decoders=", ".join(names[a] for a in self.decoders),
                latent=self.latent,
            ),
            # Array code calls SciPy's special functions; compiled code does without, and array code without numba.
            "import scipy.special" if self.backend == "numpy" else codegen.NJIT,
            f"ENCODERS = {self.encoders!r}\nDECODERS = {self.decoders!r}\nNAMES = {tuple(self.names)!r}\n"
            f"KINK = {self.kink!r}\nPARAMETERS = {self.scalars}\nVECTORS = {self.p}\n"
            f"SKIP = {self.system.denoiser.skip!r}\nEXACT = {tuple(self.closed)!r}\n"
            f"SMOOTH = {self.system.smooth!r}\nLABELS = {self.system.denoiser.labels}\n"
            f"PLACES = {self._places}\nSINGULARITY = {self._singularity()!r}\nSPLIT = {self._breaks is not None!r}\n",
            *([] if self.backend == "numpy" else [self.decorate(TANH)]),
            *([IMPORTS] if self.closed else []),
            self.closed.get("moments") or self.moments(),
            self.closed.get("noise") or self.noise(),
        ]
        if self.latent:
            parts.append(self.weights())
        else:
            parts += [
                self.increments(),
                self.bulk() + "\n\n\n" + self.weights(),
                self.activations(),
                self.linear(),
                self.breaks(),
            ]
        return "\n\n".join(parts)

    def increments(self) -> str:
        """A, B and N of every vector's step, sorted out of the derived drift of Θ and q."""
        s, p = self.system, self.p
        A, B, N = s.gradient_drift
        outputs = [(f"A[g, {a}]", A[a]) for a in range(p)]
        used = {str(x) for e in [*A, *B, *N.values()] for x in e.free_symbols}
        read = [f"{x} = moments[g, {self.names.index(x)}]" for x in self.names if x in used]
        sums = [(f"b_{a}_{c}", B[a, c]) for a in range(p) for c in range(p)] + [
            (f"n_{a}_{c}", N[a, c]) for a, c in self.pairs
        ]
        loop = ["varsigma = varsigma_[g, s]", *codegen.assignments(sums, "numba")]
        loop += [f"B[s, {a}, {c}] += pi[g] * b_{a}_{c}" for a in range(p) for c in range(p)]
        loop += [f"N[s, {a}, {c}] += pi[g] * n_{a}_{c}" for a, c in self.pairs]
        body = ["B[:] = 0.0", "N[:] = 0.0", "for g in range(pi.shape[0]):", *("    " + x for x in read)]
        body += ["    " + x for x in codegen.assignments(outputs, "numba", prefix="v")]
        body += ["    for s in range(varsigma_.shape[1]):", *("        " + x for x in loop)]
        mirror = [f"N[s, {c}, {a}] = N[s, {a}, {c}]" for a, c in self.pairs if a != c]
        if mirror:
            body += ["for s in range(varsigma_.shape[1]):", *("    " + x for x in mirror)]
        return self.function("def increments(moments, pi, varsigma_, A, B, N):", body)

    def linear(self) -> str:
        """`channel_weights` and `bulk` at all times, into arrays."""
        weights = self.channel_weights()
        outputs = [("c0[h]", weights[0]), ("c1[h]", weights[1])]
        outputs += [("loss[h]", self.clean(self.system.bulk)), ("slope[h]", self.clean(self.system.skip_drift))]
        lines = [f"{x} = told[{k}, h]" for k, x in enumerate(SCHEDULE)] + ["b = skip[h]"]
        lines += codegen.assignments(outputs, "numba", prefix="v")
        body = ["for h in range(skip.shape[0]):", *("    " + line for line in lines)]
        return self.function("def linear(told, Lambda, skip, c0, c1, loss, slope):", body)

    @cached_property
    def _breaks(self) -> dict[int, sympy.Expr] | None:
        """Where every field has its break, if quadrature can be split there."""
        from derivations.autoencoder.training.regularity import single_breaks

        return None if self.system.smooth else single_breaks(self.system)

    def _singularity(self) -> tuple[float, float, float, float]:
        from derivations.autoencoder.training.regularity import nearest_singularity

        return nearest_singularity(self.system) if self.system.smooth else (0.0, 1.0, 0.0, 0.0)

    @cached_property
    def _centres(self) -> dict[int, list[tuple[sympy.Expr, sympy.Expr]]]:
        """Where a smooth φ varies in every field, and on what scales."""
        from derivations.autoencoder.training.regularity import centres

        return centres(self.system) if self.system.smooth else {}

    @property
    def _places(self) -> int:
        return max((len(each) for each in self._centres.values()), default=1)

    def breaks(self) -> str:
        """Where every encoder's field has its break (far away where it has none), or φ its centres; and the scales there."""
        import sympy

        n, none = len(self.encoders), (sympy.Float(1e30), sympy.Float(1e30))
        known = self._centres or {a: [(place, sympy.Float(0))] for a, place in (self._breaks or {}).items()}
        lines = [f"{x} = now[{k}]" for k, x in enumerate(TOLD)]
        lines += [f"label_{k} = told[{k}]" for k in range(self.system.denoiser.labels)] + self.scalar_lines()
        outputs = []
        for i, a in enumerate(self.encoders):
            own = known.get(a, [])
            for m in range(self._places):
                for k, value in enumerate(own[m] if m < len(own) else none):
                    outputs.append((f"out[{(k * self._places + m) * n + i}]", self.clean(value)))
        lines += codegen.assignments(outputs, "numba", prefix="v")
        return self.function("def breaks(now, told, kappa, out):", lines)

    def bulk(self) -> str:
        outputs = [("loss", self.clean(self.system.bulk)), ("slope", self.clean(self.system.skip_drift))]
        lines = codegen.assignments(outputs, "numpy")
        body = "\n".join([*lines, "return loss + 0.0 * alpha, slope + 0.0 * alpha"])
        return "def bulk(alpha, beta, alpha_dot, beta_dot, Lambda, b):\n" + textwrap.indent(body, "    ")

    def weights(self) -> str:
        lines = codegen.assignments(list(zip(("c0", "c1"), self.channel_weights(), strict=True)), "numpy")
        body = "\n".join([*lines, "return c0 + 0.0 * alpha, c1 + 0.0 * alpha"])
        return "def channel_weights(alpha, beta, alpha_dot, beta_dot, b):\n" + textwrap.indent(body, "    ") + "\n"


def write_source(system: System, backend: str = "numba", form: str = "auto", latent: int = 0) -> str:
    """The generated source of a system's kernels."""
    return SystemWriter(system, backend, form, latent).source()
