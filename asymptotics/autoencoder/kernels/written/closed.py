"""Kernels without nodes: the moments of a system whose integrands have closed Gaussian expectations.

Polynomial φ: one time or several. φ made of erf's or of ramps and steps: one time, and products of at most two erf's (any
number of erf units) or two different steps (two ramps; three where all centroids are zero, so that the fields have zero mean).
The closed forms come from `derivations.autoencoder.training.moments`; the functions have the arguments of the
kernels with nodes and do not look at the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ....common.numerics.code import codegen

if TYPE_CHECKING:
    import sympy

    from derivations.autoencoder.training.moments import Reduction, Terms
    from derivations.autoencoder.training.update import Equations

#: What the closed forms call.
IMPORTS = "from asymptotics.common.numerics.code.closed_forms import arcsine_ratio, both_positive, gaussian_at, positive, schur"

#: A gradient with more monomials than this in the fields of both channels is left to quadrature.
MOST_TERMS = 60


class ExactMoments:
    """Writes the bodies of ``moments`` and ``noise`` in closed form.

    Parameters
    ----------
    system : Equations
    clean : callable
        Renames the trainable scalars of an expression.
    centred : bool
        Whether the fields have zero mean.

    Raises
    ------
    NotClosed
        By `moments_body` and `noise_body`, where there is no closed form.
    """

    def __init__(self, system: Equations, clean: Callable[[sympy.Expr], sympy.Expr], centred: bool) -> None:
        self.system, self.clean, self.centred = system, clean, centred
        self.encoders, self.decoders = system.denoiser.encoders, system.decoder_vectors
        self.p = system.p
        self.pairs = [(a, c) for a in range(self.p) for c in range(a, self.p)]

    @staticmethod
    def polynomial(system: Equations) -> bool:
        """Whether φ is polynomial in the fields."""
        return all(phi.is_polynomial(*system.fields) for phi in system.denoiser.phi)

    # one time --------------------------------------------------------------------------------------------------

    def moments_body(self, names: Sequence[str]) -> list[str]:
        """Lines for one condition ``i``: everything in ``names``, stored in ``out[i]``."""

        s = self.system
        variables = [self.clean(x) for x in (*(s.fields[a] for a in self.encoders), *s.residual_fields)]
        reduction, head = self._law(variables, self._joint(), self._means())
        coefficients: list[tuple[str, sympy.Expr]] = []
        g = {
            (ch, a): self._named(reduction, s.gradient[ch][a], f"g{ch}_{a}_", coefficients)
            for ch in (0, 1)
            for a in range(self.p)
        }
        values: dict[str, sympy.Expr] = {}
        for a in range(self.p):
            values[f"A_{a + 1}"] = reduction.expectation(g[1, a])
        for a, c in self.pairs:
            values[f"P_{a + 1}_{c + 1}"] = self._mean(reduction, s.gram_derivative[a][c])
            for ch in (0, 1):
                values[f"H{ch}_{a + 1}_{c + 1}"] = self._mean(reduction, s.hessian[ch][a][c])
                values[f"N{ch}_{a + 1}_{c + 1}"] = reduction.product(g[ch, a], g[ch, c])
        for k, slope in enumerate(s.scalar_gradient):
            values[f"K_{k + 1}"] = self._mean(reduction, slope)
        values["potential"] = self._mean(reduction, s.potential)
        lines = [*head, *codegen.assignments(coefficients, prefix="c_"), *self._program(reduction)]
        lines += codegen.assignments([(f"y_{k}", values[name]) for k, name in enumerate(names)], prefix="v")
        return [*lines, *(f"out[i, {k}] = y_{k}" for k in range(len(names)))]

    def _mean(self, reduction: Reduction, expression: sympy.Expr) -> sympy.Expr:
        return reduction.expectation(self.clean(expression))

    def _named(
        self, reduction: Reduction, expression: sympy.Expr, stem: str, coefficients: list[tuple[str, sympy.Expr]]
    ) -> Terms:
        """The terms of an expression with their coefficients as names."""
        import sympy

        terms = reduction.terms(self.clean(expression))
        first = len(coefficients)
        coefficients += [(f"{stem}{m}", value) for m, value in enumerate(terms.values())]
        return {key: sympy.Symbol(name, real=True) for key, (name, _) in zip(terms, coefficients[first:], strict=True)}

    def _law(
        self, variables: Sequence[sympy.Symbol], covariances: dict[tuple[int, int], str], means: Iterable[str]
    ) -> tuple[Reduction, list[str]]:
        """A reduction over the variables, and the lines that define its means and covariances."""
        import sympy

        from derivations.autoencoder.training.moments import Reduction

        means = list(means)
        mu = [sympy.Symbol(f"mu_{i}", real=True) if text else sympy.Integer(0) for i, text in enumerate(means)]
        entries = {key: sympy.Symbol(f"C_{key[0]}_{key[1]}", real=True) for key in covariances}

        def entry(i: int, j: int) -> sympy.Expr:
            return entries.get((min(i, j), max(i, j)), sympy.Integer(0))

        n = len(variables)
        lines = [f"mu_{i} = {text}" for i, text in enumerate(means) if text]
        lines += [f"{entries[key]} = {text}" for key, text in covariances.items()]
        return Reduction(variables, mu, sympy.Matrix(n, n, entry)), lines

    def _means(self) -> list[str]:
        n, J = len(self.encoders), len(self.decoders)
        if self.centred:
            return [""] * (n + J)
        return [f"mean[i, {k}]" for k in range(n)] + [f"emean[i, {j}]" for j in range(J)]

    def _joint(self) -> dict[tuple[int, int], str]:
        """Covariances of (ω, e) from the roots that the kernel is given."""
        n, J = len(self.encoders), len(self.decoders)
        rows = [f"root[i, {k}, {{m}}]" for k in range(n)] + [f"eroot[i, {j}, {{m}}]" for j in range(J)]
        out = {}
        for i in range(n + J):
            for j in range(i, n + J):
                text = " + ".join(f"{rows[i].format(m=m)} * {rows[j].format(m=m)}" for m in range(n))
                out[i, j] = text + (f" + R[i, {i - n}, {j - n}]" if i >= n else "")
        return out

    def _program(self, reduction: Reduction) -> list[str]:
        print_ = codegen.printer("numba")
        return [f"{name} = {print_.doprint(value)}" for name, value in reduction.lines]

    # several times ---------------------------------------------------------------------------------------------

    def noise_body(self) -> tuple[list[str], list[str], list[str]]:
        """Lines before the loop over times, inside it, and after it, for one condition ``i``.

        g is a polynomial in (λ₀, λ₁); its coefficients are averaged over the times, then multiplied: the cost is linear in
        the number of times.
        """
        import sympy

        from derivations.autoencoder.training.moments import NotClosed

        s = self.system
        vectors = sorted({*self.encoders, *self.decoders})
        lambdas = [[s.channel_fields[ch][v] for v in vectors] for ch in (0, 1)]
        variables = [self.clean(x) for x in (*lambdas[0], *lambdas[1])]
        alpha, beta, c0, c1 = sympy.symbols("alpha beta c0 c1", real=True)
        place = {s.fields[v]: alpha * lambdas[0][k] + beta * lambdas[1][k] for k, v in enumerate(vectors)}
        for j, u in enumerate(self.decoders):
            k = vectors.index(u)
            place[s.residual_fields[j]] = c0 * lambdas[0][k] + c1 * lambdas[1][k]
        live = [(ch, a) for ch in (0, 1) for a in range(self.p) if s.gradient[ch][a] != 0]
        fields = [*s.fields, *s.residual_fields]
        degree = max(sympy.Poly(s.gradient[ch][a], *fields).total_degree() for ch, a in live)
        if math.comb(len(variables) + degree, degree) > MOST_TERMS:
            raise NotClosed(f"polynomials of degree {degree} in {len(variables)} fields")
        reduction, head = self._law(variables, self._channels(vectors), self._channel_means(vectors))
        coefficients: list[tuple[str, sympy.Expr]] = []
        g = {
            key: self._named(
                reduction, s.gradient[key[0]][key[1]].xreplace(place), f"h{key[0]}_{key[1]}_", coefficients
            )
            for key in live
        }
        zero = [f"G{name} = 0.0" for name, _ in coefficients]
        loop = codegen.assignments(coefficients, prefix="c_")
        loop += [f"G{name} = G{name} + tw[h] * {name}" for name, _ in coefficients]
        total = {
            key: {m: sympy.Symbol(f"G{value}", real=True) for m, value in terms.items()} for key, terms in g.items()
        }
        values = [
            (f"y_{k}", reduction.product(total.get((ch, a), {}), total.get((ch, c), {})))
            for k, (ch, (a, c)) in enumerate((ch, pair) for ch in (0, 1) for pair in self.pairs)
        ]
        after = [*self._program(reduction), *codegen.assignments(values, prefix="v")]
        after += [f"out[i, {k}] = y_{k}" for k in range(len(values))]
        return [*head, *zero], loop, after

    def _channel_means(self, vectors: Sequence[int]) -> list[str]:
        second = [
            f"mean[i, {self.encoders.index(v)}]" if v in self.encoders else f"umean[i, {self.decoders.index(v)}]"
            for v in vectors
        ]
        return [""] * len(vectors) + second

    def _channels(self, vectors: Sequence[int]) -> dict[tuple[int, int], str]:
        """Covariances of the fields of both channels, which are independent."""
        n, V = len(self.encoders), len(vectors)
        out = {}
        for ch in (0, 1):
            rows = [
                f"root{ch}[i, {self.encoders.index(v)}, {{m}}]"
                if v in self.encoders
                else f"uroot{ch}[i, {self.decoders.index(v)}, {{m}}]"
                for v in vectors
            ]
            for i in range(V):
                for j in range(i, V):
                    text = " + ".join(f"{rows[i].format(m=m)} * {rows[j].format(m=m)}" for m in range(n))
                    if vectors[i] not in self.encoders and vectors[j] not in self.encoders:
                        u, v = self.decoders.index(vectors[i]), self.decoders.index(vectors[j])
                        text += f" + R{ch}[i, {u}, {v}]"
                    out[ch * V + i, ch * V + j] = text
        return out
