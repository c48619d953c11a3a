"""The parts of a generated source that sum over nodes: moments at one time, second moments over pairs of times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....common.numerics.code import codegen
from .flow import ForwardWriter
from .sums import NodeSums
from .writer import LANES, TOLD

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.training.update import Equations

MOMENTS = "def moments(z, w, mean, root, emean, eroot, R, Q, alpha_, beta_, alpha_dot_, beta_dot_, time_, b_, told, kappa, out):"
NOISE = (
    "def noise(z, w, mean, root0, root1, umean, uroot0, uroot1, R0, R1, Q,"
    " alpha_, beta_, alpha_dot_, beta_dot_, time_, tw, b_, told, kappa, out):"
)
#: Nodes that array code takes at once: it keeps an array of them for every term of every moment.
PIECE = 4096


#: Sums that may be taken in the place of one moment, where they need less of every node.
MANY = 1.5


class NodesWriter(ForwardWriter):
    """Writes ``moments`` and ``noise`` of one system, and the lines that other parts begin with."""

    #: Whether Hessians come in the regression form.
    kink: bool

    def __init__(self, system: Equations, backend: str, latent: int = 0) -> None:
        # Sums over nodes may be reassociated: that is what lets them vectorise.
        super().__init__(system, backend, ("contract", "nsz", "arcp", "reassoc"))
        self.latent = latent

    def decorate(self, text: str) -> str:
        """Also tanh as an inlined polynomial."""
        return super().decorate(text if self.backend == "numpy" else text.replace("math.tanh(", "_tanh("))

    def _field_lines(self, condition: str, vector: str = "z[k, {n}]") -> list[str]:
        """Local fields and conditional means of the residual fields at a node."""
        n = len(self.encoders)
        lines = []
        for i, a in enumerate(self.encoders):
            terms = " + ".join(f"root[{condition}, {i}, {m}] * {vector.format(n=m)}" for m in range(n))
            centre = [f"root[{condition}, {i}, {n + m}] * {vector.format(n=n + m)}" for m in range(self.latent)]
            if centre:
                lines.append(f"centre_{i} = mean[{condition}, {i}] + {' + '.join(centre)}")
            lines.append(f"omega_{a + 1} = " + (f"centre_{i}" if centre else f"mean[{condition}, {i}]") + f" + {terms}")
        for j, u in enumerate(self.decoders):
            terms = " + ".join(f"eroot[{condition}, {j}, {m}] * {vector.format(n=m)}" for m in range(n + self.latent))
            lines.append(f"e_{u + 1} = emean[{condition}, {j}] + {terms}")
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
        return [(name, self.clean(value)) for name, value in outputs]

    def moments(self) -> str:
        J = len(self.decoders)
        constants = [*(f"{x} = {x}_[i]" for x in (*TOLD, "b")), *self.label_lines("i, ")]
        constants += [f"R_{j}_{k} = R[i, {j}, {k}]" for j in range(J) for k in range(j, J)]
        constants += [f"centre_{i} = mean[i, {i}]" for i in range(len(self.encoders))] if self.kink else []
        outer = [*self.constants(), "for i in range(mean.shape[0]):"]
        if self.backend == "numpy":
            fixed, rows, multiplied, store = self._multiplied()
            node = [f"piece, share = columns[:, start : start + {PIECE}], w[start : start + {PIECE}]"]
            node += self._fields_of_a_piece()
            node += [f"rows = numpy.empty(({len(rows)}, share.shape[0]))"]
            node += codegen.assignments([(f"rows[{k}]", e) for k, e in enumerate(rows)], "numpy")
            node += [f"gram += (rows[:{multiplied}] * share) @ rows[:{multiplied}].T", "alone += rows @ share"]
            zero = [f"gram, alone = numpy.zeros(({multiplied}, {multiplied})), numpy.zeros({len(rows)})"]
            loop = [*zero, f"for start in range(0, w.shape[0], {PIECE}):", *("    " + line for line in node), *store]
            body = ["columns, total = numpy.ascontiguousarray(z.T), w.sum()", *outer]
            body += ["    " + line for line in [*constants, *fixed, *loop]]
        else:
            columns = [f"z_{m} = z[:, {m}].copy()" for m in range(len(self.encoders) + self.latent)]
            fixed, node, sums, store = self._summed()
            zero = [f"s_{k} = 0.0" for k in range(sums)]
            node = [*self._field_lines("i", "z_{n}[k]"), "weight = w[k]", *node]
            before = [*constants, *fixed, *zero, "for k in range(w.shape[0]):"]
            body = [*outer[:-1], *columns, outer[-1], *("    " + line for line in before)]
            body += ["        " + line for line in node] + ["    " + line for line in store]
        return self.function(MOMENTS, body)

    def _factors(self) -> list[tuple[str, sympy.Expr]]:
        """What second moments are products of: gradients, their slopes along the residual fields, fields about their centre."""
        import sympy

        s, J = self.system, len(self.decoders)
        found = [(f"g{ch}_{a}", s.gradient[ch][a]) for ch in (0, 1) for a in range(self.p)]
        found += [
            (f"h{ch}_{a}_{j}", s.residual_slope[ch][a][j]) for ch in (0, 1) for a in range(self.p) for j in range(J)
        ]
        found += [(f"f_{i}", s.fields[e] - sympy.Symbol(f"centre_{i}")) for i, e in enumerate(self.encoders)]
        return found + [(f"l_{m}", sympy.Symbol(f"latent_{m}", real=True)) for m in range(self.latent)]

    def _products(self) -> dict[str, list[tuple[str, str, sympy.Expr]]]:
        """Moments that are sums of products of `_factors`."""
        import sympy

        one, J = sympy.Integer(1), len(self.decoders)
        found: dict[str, list[tuple[str, str, sympy.Expr]]] = {}
        for ch in (0, 1):
            for a, c in self.pairs:
                found[f"N{ch}_{a + 1}_{c + 1}"] = [(f"g{ch}_{a}", f"g{ch}_{c}", one)] + [
                    (f"h{ch}_{a}_{j}", f"h{ch}_{c}_{k}", sympy.Symbol(f"R_{min(j, k)}_{max(j, k)}"))
                    for j in range(J)
                    for k in range(J)
                ]
            if self.kink:
                for a in range(self.p):
                    for i, e in enumerate(self.encoders):
                        found[f"W{ch}_{a + 1}_{e + 1}"] = [(f"f_{i}", f"g{ch}_{a}", one)]
        for a in range(self.p):
            for m in range(self.latent):
                found[f"AC_{a + 1}_{m + 1}"] = [(f"g1_{a}", f"l_{m}", one)]
        return found

    def _fields_of_a_piece(self) -> list[str]:
        """The same for array code, at all nodes of a piece of the columns of z."""
        n = len(self.encoders)
        centre = f" + root[i, {{i}}, {n}:] @ piece[{n}:]" if self.latent else ""
        lines = ["fields, linear = root[i] @ piece + mean[i][:, None], eroot[i] @ piece + emean[i][:, None]"]
        lines += [f"centre_{i} = mean[i, {i}]{centre.format(i=i)}" for i in range(n) if self.kink or self.latent]
        lines += [f"omega_{a + 1} = fields[{i}]" for i, a in enumerate(self.encoders)]
        lines += [f"e_{u + 1} = linear[{j}]" for j, u in enumerate(self.decoders)]
        return lines + [f"latent_{m} = piece[{n + m}]" for m in range(self.latent)]

    def _node_sums(self) -> tuple[list[str], NodeSums, list[str]]:
        """Lines of what is the same at all nodes, what is summed over them, and the moments' names in their order."""
        products, factors = self._products(), [(name, self.clean(e)) for name, e in self._factors()]
        outputs = self._node_outputs()
        plain = [(name, e) for name, e in outputs if name not in products]
        fixed, lighter = self.hoisted([*factors, *plain])
        found = NodeSums(dict(lighter[: len(factors)]), products, dict(lighter[len(factors) :]))
        return fixed, found, [name for name, _ in outputs]

    def _multiplied(self) -> tuple[list[str], list[sympy.Expr], int, list[str]]:
        """For array code: lines before the loop, rows, how many of them are multiplied by each other, and lines after the loop."""
        fixed, found, names = self._node_sums()
        rows, multiplied, sums = found.gram()

        def summed(which: tuple[int, ...]) -> sympy.Expr:
            import sympy

            text = "gram[{}, {}]" if len(which) == 2 else "alone[{}]" if which else "total"
            return sympy.Symbol(text.format(*which))

        values = [(f"s_{k}", sum(c * summed(which) for c, which in terms)) for k, terms in enumerate(sums)]
        return fixed, rows, multiplied, [*codegen.assignments(values, "numpy", prefix="v"), *self._store(found, names)]

    def _store(self, found: NodeSums, names: list[str]) -> list[str]:
        """Lines that set the moments from the sums s_0, s_1, …"""
        import sympy

        symbols = [sympy.Symbol(f"s_{k}") for k in range(len(found.sums))]
        moments = [found.moments[name] for name in names]
        values = [sympy.Add(*(c * symbols[k] for k, c in terms.items())) for terms in moments]
        return codegen.assignments([(f"out[i, {k}]", e) for k, e in enumerate(values)], self.backend, prefix="u")

    def _summed(self) -> tuple[list[str], list[str], int, list[str]]:
        """Lines before the loop over nodes, in it and after it, and the number of sums."""
        fixed, found, names = self._node_sums()
        heavy, sums = found.weighted()
        live = sum(1 for terms in found.moments.values() if terms)
        if len(sums) > MANY * live:
            fixed, outputs = self.hoisted(self._node_outputs())
            live_outputs = [(k, e) for k, (_, e) in enumerate(outputs) if e != 0]
            node = codegen.assignments([(f"y_{k}", e) for k, e in live_outputs])
            node += [f"s_{n} += weight * y_{k}" for n, (k, _) in enumerate(live_outputs)]
            place = {k: f"s_{n}" for n, (k, _) in enumerate(live_outputs)}
            return fixed, node, len(place), [f"out[i, {k}] = {place.get(k, '0.0')}" for k in range(len(outputs))]
        node = codegen.assignments([(str(psi), own) for own, psi in found.parts.items()])
        node += [f"heavy_{psi.name[4:]} = weight * {psi}" for psi in heavy]
        node += codegen.assignments([(f"y_{k}", e) for k, e in enumerate(sums)], prefix="v")
        node += [f"s_{k} += y_{k}" for k in range(len(sums))]
        return fixed, node, len(sums), self._store(found, names)

    def noise(self) -> str:
        """E_t E_t′ second moments; scalar code in both back ends (NumPy's is the same loop, unrolled over nodes)."""
        s, n, J = self.system, len(self.encoders), len(self.decoders)
        array = self.backend == "numpy"
        coordinate = "z[:, {m}]" if array else "z[k, {m}]"
        fields0, fields1, linear = [], [], []
        for i, a in enumerate(self.encoders):
            f0 = " + ".join(f"root0[i, {i}, {m}] * {coordinate.format(m=m)}" for m in range(n))
            f1 = " + ".join(f"root1[i, {i}, {m}] * {coordinate.format(m=n + m)}" for m in range(n + self.latent))
            fields0.append(f"l0_{a + 1} = {f0}")
            fields1.append(f"l1_{a + 1} = mean[i, {i}] + {f1}")
        for j in range(len(self.decoders)):
            f0 = " + ".join(f"uroot0[i, {j}, {m}] * {coordinate.format(m=m)}" for m in range(n))
            f1 = " + ".join(f"uroot1[i, {j}, {m}] * {coordinate.format(m=n + m)}" for m in range(n + self.latent))
            linear += [f"d0_{j} = {f0}", f"d1_{j} = umean[i, {j}] + {f1}"]
        time = [f"{x} = {x}_[h]" for x in (*TOLD, "b")]
        fields = [f"omega_{a + 1} = alpha * l0_{a + 1} + beta * l1_{a + 1}" for a in self.encoders]
        gs = [(f"g{ch}_{a}", s.gradient[ch][a]) for ch in (0, 1) for a in range(self.p)]
        slopes = [
            (f"h{ch}_{a}_{j}", s.residual_slope[ch][a][j]) for ch in (0, 1) for a in range(self.p) for j in range(J)
        ]
        weights = self.channel_weights()
        fixed, outputs = self.hoisted([(name, self.clean(e)) for name, e in gs + slopes if e != 0])
        constant = [
            *time,
            *fixed,
            *codegen.assignments([("c0", weights[0]), ("c1", weights[1])], self.backend, prefix="c_"),
        ]
        time = [*constant, *fields]
        time += [f"e_{u + 1} = c0 * d0_{j} + c1 * d1_{j}" for j, u in enumerate(self.decoders)]
        time += codegen.assignments(outputs, self.backend)
        live_g = [name for name, e in gs if e != 0]
        live_h = [name for name, e in slopes if e != 0]
        time += [f"G{x} = G{x} + tw[h] * {x}" for x in live_g]
        # A residual field that is itself an encoder's is known at the node and needs no correction.
        free = [self.decoders.index(u) for u in self.free]
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
        head = [*self.constants(), "for i in range(mean.shape[0]):", *("    " + x for x in self.label_lines("i, "))]
        if array:
            inner = [*fields0, *fields1, *linear, *zero, "for h in range(tw.shape[0]):"]
            inner += ["    " + line for line in time]
            inner += [f"out[i, {k}] = numpy.dot(w, {e} + numpy.zeros(w.shape))" for k, (_, e) in enumerate(sums)]
        else:
            head, inner = self._tiled([*fields0, *fields1, *linear], zero, constant, time[len(constant) :], sums, head)
        body = head + ["    " + line for line in inner]
        return self.function(NOISE, body)

    @staticmethod
    def _tiled(
        fields: list[str],
        zero: list[str],
        constant: list[str],
        varying: list[str],
        sums: list[tuple[str, str]],
        head: list[str],
    ) -> tuple[list[str], list[str]]:
        """The noise kernel in tiles of `LANES` nodes, every variable of a node a row of one buffer."""
        kept = [line.split(" = ")[0] for line in [*fields, *zero]]
        place = {name: f"tile[{LANES * row} + l]" for row, name in enumerate(kept)}
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
        return [f"tile = numpy.empty({LANES * len(kept)})", *head], inner
