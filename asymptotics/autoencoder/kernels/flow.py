"""Kernels of the network itself: φ and its slopes at many points, and steps of the generative flow."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ...common.numerics import codegen
from .writer import TOLD, Writer

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

    def _runge_kutta(self, phi: list[tuple[str, sympy.Expr]]) -> str:
        """dJ/ds = gain φ(growth (z + coupling J)), gain and growth given at the ends and middles of all steps."""
        n, J = len(self.encoders), len(phi)
        array = self.backend == "numpy"
        index = ":" if array else "k"
        body = [f"z_{i} = z[{index}, {i}]" for i in range(n)] + [f"J_{j} = 0.0 * z_0" for j in range(J)]
        fixed, lighter = self.hoisted(phi)
        step = []
        for stage, (offset, factor) in enumerate(((0, "0.0"), (1, "0.5 * h"), (1, "0.5 * h"), (2, "h"))):
            at = [f"J_{j}" + (f" + {factor} * k{stage - 1}_{j}" if stage else "") for j in range(J)]
            if stage != 2:  # the second middle stage is at the time of the first
                step += [f"m = 2 * s + {offset}", *self._guidance(phi, "m"), *self._now(phi, "now[{n}, m]"), *fixed]
            step += [
                f"omega_{a + 1} = growth[m] * (z_{i} + "
                + " + ".join(f"coupling[{i}, {j}] * ({at[j]})" for j in range(J))
                + ")"
                for i, a in enumerate(self.encoders)
            ]
            step += [*codegen.assignments(lighter, self.backend, prefix=f"r{stage}_")]
            step += [f"k{stage}_{j} = gain[m] * f_{j}" for j in range(J)]
        step += [f"J_{j} = J_{j} + h / 6.0 * (k0_{j} + 2.0 * k1_{j} + 2.0 * k2_{j} + k3_{j})" for j in range(J)]
        body += ["for s in range((gain.shape[0] - 1) // 2):", *("    " + line for line in step)]
        body += [f"network[{index}, {j}] = J_{j}" for j in range(J)]
        if not array:
            body = ["for k in range(z.shape[0]):", *("    " + line for line in body)]
        signature = "def runge_kutta(z, gain, growth, h, now, told, guidance, coupling, kappa, network):\n"
        return signature + textwrap.indent("\n".join([*self.scalar_lines(), *self.label_lines(""), *body]), "    ")

    def _step_line(self, part: int, name: str, phi: str = "phi") -> str:
        """One derived Euler step of the linear part (0) or the network's part (1), in place."""
        import sympy

        from derivations.autoencoder import sampling_algebra

        names = {"growth": "growth_s", "gain": "gain_s", "I": name, "l": name, "phi": phi}
        value = sampling_algebra.network_step()[part]
        value = value.subs({x: sympy.Symbol(names[x.name]) for x in value.free_symbols}, simultaneous=True)
        return f"{name} = {codegen.printer(self.backend).doprint(value)}"

    def _euler(self, phi: list[tuple[str, sympy.Expr]]) -> str:
        """Noiseless Euler steps of the network part: I ← growth I + gain φ(ℓ + coupling I), ℓ ← growth ℓ."""
        n, J = len(self.encoders), len(phi)
        array = self.backend == "numpy"
        index = ":" if array else "k"
        fields = [
            f"omega_{a + 1} = l_{i} + " + " + ".join(f"coupling[{i}, {j}] * I_{j}" for j in range(J))
            for i, a in enumerate(self.encoders)
        ]
        fixed, lighter = self.hoisted(phi)
        step = ["growth_s = growth[s]", "gain_s = gain[s]", *self._guidance(phi, "s"), *self._now(phi, "now[{n}, s]")]
        step += [*fixed, *fields, *codegen.assignments(lighter, self.backend)]
        step += [self._step_line(1, f"I_{j}", f"f_{j}") for j in range(J)]
        step += [self._step_line(0, f"l_{i}") for i in range(n)]
        body = [f"l_{i} = z[{index}, {i}]" for i in range(n)] + [f"I_{j} = 0.0" for j in range(J)]
        body += ["for s in range(gain.shape[0]):", *("    " + line for line in step)]
        body += [f"network[{index}, {j}] = I_{j}" for j in range(J)]
        if not array:
            body = ["for k in range(z.shape[0]):", *("    " + line for line in body)]
        signature = "def euler(z, gain, growth, now, told, guidance, coupling, kappa, network):\n"
        return signature + textwrap.indent("\n".join([*self.scalar_lines(), *self.label_lines(""), *body]), "    ")
