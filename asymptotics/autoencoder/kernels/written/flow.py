"""Kernels of the network itself: φ and its slopes at many points, and steps of the generative flow."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ....common.numerics.code import codegen
from .writer import LANES, TOLD, Writer

if TYPE_CHECKING:
    import sympy


class ForwardWriter(Writer):
    """Writes ``activations``, ``slopes``, ``euler`` and ``runge_kutta`` (see the header of the generated source)."""

    def activations(self) -> str:
        """φ_j and its derivatives at many points: what the generated density needs of the network."""
        s = self.system
        array = self.backend == "numpy"
        node = [f"omega_{a + 1} = z[{':' if array else 'k'}, {i}]" for i, a in enumerate(self.encoders)]
        phi = [(f"f_{j}", self.clean(phi)) for j, phi in enumerate(s.denoiser.phi)]
        slopes = [
            (f"f_{j}_{i}", self.clean(s.phi_slope[j].get(s.fields[a], 0 * s.fields[a])))
            for j, phi in enumerate(s.denoiser.phi)
            for i, a in enumerate(self.encoders)
        ]
        functions = []
        for name, outputs in (("activations", phi), ("slopes", slopes)):
            index = ":" if array else "k"
            fixed, lighter = self.hoisted(outputs)
            lines = [*node, *codegen.assignments(lighter, self.backend)]
            lines += [f"out[{index}, {', '.join(key.split('_')[1:])}] = {key}" for key, _ in outputs]
            body = [*self.scalar_lines(), *self.label_lines(""), *self._now(outputs, "now[{n}]"), *fixed]
            body += lines if array else ["for k in range(z.shape[0]):", *("    " + line for line in lines)]
            text = f"def {name}(z, now, told, kappa, out):\n" + textwrap.indent("\n".join(body), "    ")
            functions.append(self.decorate(text))
        guided = self._guided(phi)
        functions.append(self.decorate(self._euler(guided)))
        functions.append(self.decorate(self._runge_kutta(guided)))
        return f"TERMS = {s.denoiser.decoders!r}\n\n\n" + "\n\n\n".join(functions) + "\n"

    @staticmethod
    def _now(outputs: list[tuple[str, sympy.Expr]], row: str) -> list[str]:
        """Lines that read what the outputs need of the time."""
        used = {str(x) for _, e in outputs for x in e.free_symbols}
        return [f"{x} = {row.format(n=n)}" for n, x in enumerate(TOLD) if x in used]

    def _guided(self, phi: list[tuple[str, sympy.Expr]]) -> list[tuple[str, sympy.Expr]]:
        """(1 + ω) φ(·, label) − ω φ(·, no label) where φ is told one."""
        import sympy

        omega = sympy.Symbol("guidance_s", real=True)
        dropped = {self.clean(x): sympy.Integer(0) for x in self.system.denoiser.one_hot}
        if not self.system.denoiser.labelled:
            return phi
        return [(name, (1 + omega) * value - omega * value.xreplace(dropped)) for name, value in phi]

    def _guidance(self, phi: list[tuple[str, sympy.Expr]], step: str) -> list[str]:
        used = any(str(x) == "guidance_s" for _, e in phi for x in e.free_symbols)
        return [f"guidance_s = guidance[{step}]"] if used else []

    def _over_points(
        self, start: Mapping[str, str], inner: Sequence[str], loop: Sequence[str], end: Mapping[str, str]
    ) -> list[str]:
        """The steps of many points, in tiles of `LANES` of them: every variable of a point is a row of one buffer.

        Parameters
        ----------
        start : mapping
            What is kept of a point from one piece of code to the next, and its value at the beginning.
        inner : sequence of str
            Before the loops over the steps.
        loop : sequence of str
            The loop, with a `_lane` for what is done with every point.
        end : mapping
            Targets, and the variables that they take at the end.
        """
        if self.backend == "numpy":
            begin = [f"{name} = {value}" for name, value in start.items()]
            return [*inner, *begin, *loop, *(f"{target.format(k=':')} = {name}" for target, name in end.items())]
        place = {name: f"tile[{LANES * row} + l]" for row, name in enumerate(start)}
        body = [f"count = min({LANES}, z.shape[0] - start)", "for l in range(count):"]
        body += [f"    {place[name]} = {value.replace(':', 'start + l')}" for name, value in start.items()]
        body += [*loop, "for l in range(count):"]
        body += [f"    {target.format(k='start + l')} = {place[name]}" for target, name in end.items()]
        head = [*inner, f"tile = numpy.empty({LANES * len(start)})", f"for start in range(0, z.shape[0], {LANES}):"]
        return head + ["    " + line for line in body]

    def _lane(self, kept: Sequence[str], lines: Sequence[str]) -> list[str]:
        """Lines done with every point: those of ``kept`` that they use are read before, those that they set are written after."""
        if self.backend == "numpy":
            return list(lines)
        place = {name: f"tile[{LANES * row} + l]" for row, name in enumerate(kept)}
        sides = [line.split(" = ", 1) for line in lines]
        used = [name for name in kept if any(re.search(rf"\b{name}\b", value) for _, value in sides)]
        body = [f"{name} = {place[name]}" for name in used] + list(lines)
        body += [f"{place[name]} = {name}" for name in kept if name in {target for target, _ in sides}]
        return ["for l in range(count):", *("    " + line for line in body)]

    @staticmethod
    def _couplings(n: int, J: int) -> list[str]:
        # Read once: within the loop over points the compiler could not know that they stay.
        return [f"coupling_{i}_{j} = coupling[{i}, {j}]" for i in range(n) for j in range(J)]

    def _runge_kutta(self, phi: list[tuple[str, sympy.Expr]]) -> str:
        """dJ/ds = gain φ(growth (z + coupling J)), gain and growth given at the ends and middles of all steps."""
        n, J = len(self.encoders), len(phi)
        start = {f"z_{i}": f"z[:, {i}]" for i in range(n)}
        start |= {f"{name}_{j}": "0.0 * z[:, 0]" for name in ("J", "k0", "k1", "k2") for j in range(J)}
        fixed, lighter = self.hoisted(phi)
        step = []
        for stage, (offset, factor) in enumerate(((0, "0.0"), (1, "half"), (1, "half"), (2, "h"))):
            at = [f"J_{j}" + (f" + {factor} * k{stage - 1}_{j}" if stage else "") for j in range(J)]
            if stage != 2:  # the second middle stage is at the time of the first
                step += [f"m = 2 * s + {offset}", *self._guidance(phi, "m"), *self._now(phi, "now[{n}, m]"), *fixed]
                step += ["growth_m = growth[m]", "gain_m = gain[m]"]
            lines = [
                f"omega_{a + 1} = growth_m * (z_{i} + "
                + " + ".join(f"coupling_{i}_{j} * ({at[j]})" for j in range(J))
                + ")"
                for i, a in enumerate(self.encoders)
            ]
            lines += [*codegen.assignments(lighter, self.backend, prefix=f"r{stage}_")]
            lines += [f"k{stage}_{j} = gain_m * f_{j}" for j in range(J)]
            if stage == 3:
                lines += [
                    f"J_{j} = J_{j} + h / 6.0 * (k0_{j} + 2.0 * k1_{j} + 2.0 * k2_{j} + k3_{j})" for j in range(J)
                ]
            step += self._lane(list(start), lines)
        loop = ["for s in range((gain.shape[0] - 1) // 2):", *("    " + line for line in step)]
        end = {f"network[{{k}}, {j}]": f"J_{j}" for j in range(J)}
        body = self._over_points(start, [*self._couplings(n, J), "half = 0.5 * h"], loop, end)
        signature = "def runge_kutta(z, gain, growth, h, now, told, guidance, coupling, kappa, network):\n"
        return signature + textwrap.indent("\n".join([*self.scalar_lines(), *self.label_lines(""), *body]), "    ")

    def _step_line(self, part: int, name: str, phi: str = "phi") -> str:
        """One derived Euler step of the linear part (0) or the network's part (1), in place."""
        import sympy

        from derivations.autoencoder.sampling import algebra as sampling_algebra

        names = {"growth": "growth_s", "gain": "gain_s", "I": name, "l": name, "phi": phi}
        value = sampling_algebra.network_step()[part]
        value = value.subs({x: sympy.Symbol(names[x.name]) for x in value.free_symbols}, simultaneous=True)
        return f"{name} = {codegen.printer(self.backend).doprint(value)}"

    def _euler(self, phi: list[tuple[str, sympy.Expr]]) -> str:
        """Noiseless Euler steps of the network part: I ← growth I + gain φ(ℓ + coupling I), ℓ ← growth ℓ."""
        n, J = len(self.encoders), len(phi)
        fields = [
            f"omega_{a + 1} = l_{i} + " + " + ".join(f"coupling_{i}_{j} * I_{j}" for j in range(J))
            for i, a in enumerate(self.encoders)
        ]
        fixed, lighter = self.hoisted(phi)
        start = {f"l_{i}": f"z[:, {i}]" for i in range(n)} | {f"I_{j}": "0.0" for j in range(J)}
        lines = [*fields, *codegen.assignments(lighter, self.backend)]
        lines += [self._step_line(1, f"I_{j}", f"f_{j}") for j in range(J)]
        lines += [self._step_line(0, f"l_{i}") for i in range(n)]
        step = ["growth_s = growth[s]", "gain_s = gain[s]", *self._guidance(phi, "s"), *self._now(phi, "now[{n}, s]")]
        step += [*fixed, *self._lane(list(start), lines)]
        loop = ["for s in range(gain.shape[0]):", *("    " + line for line in step)]
        end = {f"network[{{k}}, {j}]": f"I_{j}" for j in range(J)}
        body = self._over_points(start, self._couplings(n, J), loop, end)
        signature = "def euler(z, gain, growth, now, told, guidance, coupling, kappa, network):\n"
        return signature + textwrap.indent("\n".join([*self.scalar_lines(), *self.label_lines(""), *body]), "    ")
