"""What is exported of a derivation: functions by name, with their arguments and results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy

from ..network.denoiser import alpha, beta
from ..network.names import Lambda, eta, lam, mass, symbol, symmetric, varsigma
from ..training.update import Equations


@dataclass(frozen=True)
class Argument:
    """An argument of a function: a number, a vector or a matrix over the stacked vectors.

    Parameters
    ----------
    name, says : str
    symbols : ndarray-like of sympy.Symbol
        What its entries are called in the equations; a nested tuple for a matrix.
    """

    name: str
    says: str
    symbols: object

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        found = self.symbols
        if isinstance(found, tuple):
            return 2 if isinstance(found[0], tuple) else 1
        return 0


@dataclass(frozen=True)
class Function:
    """One function: arguments, intermediate quantities in order, and named results (numbers, vectors or matrices)."""

    name: str
    says: str
    arguments: tuple[Argument, ...]
    between: tuple[tuple[sympy.Symbol, sympy.Expr], ...]
    results: tuple[tuple[str, object], ...]


def functions(system: Equations) -> tuple[Function, ...]:
    """What is written, in the order of the derivation.

    Raises
    ------
    ValueError
        If the activation is open.
    """
    denoiser, p = system.denoiser, system.p
    if denoiser.unspecified:
        raise ValueError("code: the activation is open; choose one (activation=..., or denoiser.with_activation(...))")
    l0, l1 = system.channel_fields
    told = sorted((set().union(*(phi.free_symbols for phi in denoiser.phi)) - set(system.fields)), key=str)
    extra = [x for x in told if x not in (alpha, beta) and x not in denoiser.parameters]
    of_time = [Argument("alpha", "α_t", alpha), Argument("beta", "β_t", beta)]
    of_time += [Argument(identifier(str(x)), "told to the network", x) for x in extra]
    b = [Argument("b", "skip connection (at this time)", system.skip)] if system.skip != 0 else []
    kappa = [
        Argument("kappa", f"trainable scalars {', '.join(map(str, denoiser.parameters))}", tuple(denoiser.parameters))
    ]
    kappa = kappa if denoiser.parameters else []
    gram = tuple(tuple(symmetric("Q", i, j) for j in range(p)) for i in range(p))
    names = ", ".join(denoiser.vectors)
    sample = [
        Argument("lambda0", f"w·x_0/√d of the vectors {names}", tuple(l0)),
        Argument("lambda1", "w·x_1/√d", tuple(l1)),
        Argument("Q", "overlaps of the vectors, w·w'/d", gram),
        *b, *kappa, *of_time,
    ]  # fmt: skip
    fields = tuple(zip(system.fields, (alpha * x + beta * y for x, y in zip(l0, l1, strict=True)), strict=True))
    residual = tuple(zip(system.residual_fields, system.residual_definition, strict=True))
    both = (*fields, *residual)
    square = range(p)

    def matrix(entry: Callable[[int, int], sympy.Expr]) -> object:
        return tuple(tuple(entry(i, j).doit() for j in square) for i in square)

    hessian = [matrix(lambda i, j, c=c: system.hessian[c][min(i, j)][max(i, j)]) for c in (0, 1)]  # type: ignore[misc]
    phat = matrix(lambda i, j: system.gram_derivative[min(i, j)][max(i, j)])
    results: list[tuple[str, object]] = [(f"g{c}", tuple(g.doit() for g in system.gradient[c])) for c in (0, 1)]
    # Where φ has a kink the second derivatives have δ functions: E h is then the regression of g on the fields.
    results += [("phat", phat)] if system.has_kink else [("h0", hessian[0]), ("h1", hessian[1]), ("phat", phat)]
    if denoiser.parameters:
        results.append(("dkappa", tuple(g.doit() for g in system.scalar_gradient)))
    bulk = [*b, Argument("Lambda", "mean eigenvalue of the target", Lambda), *of_time]
    out = [
        Function("bulk", "Loss of one sample of order d, divided by d.", tuple(bulk), (), (("bulk", system.bulk),)),
        Function(
            "potential", "Loss of one sample of order one, ℓ.", tuple(sample), both, (("ell", system.potential.doit()),)
        ),
        Function(
            "integrands",
            "g_c = −½ ∂ℓ/∂λ_c, h_c = ∂g_c/∂λ_c, P̂ = −½(1 + δ) ∂ℓ/∂Q, whose averages (and those of g_c g_cᵀ) are the moments."
            + (" φ has a kink: E h_c is C⁻¹ E[(λ_c − Eλ_c) g_c], C the covariance of λ_c." if system.has_kink else ""),
            tuple(sample), both, tuple(results),
        ),
    ]  # fmt: skip
    return (*out, _drift(system, bulk))


def _drift(system: Equations, bulk: Sequence[Argument]) -> Function:
    square = range(system.p)

    def vector(stem: str) -> tuple[sympy.Symbol, ...]:
        return tuple(symbol(stem, i + 1) for i in square)

    def full(stem: str) -> tuple[tuple[sympy.Symbol, ...], ...]:
        return tuple(tuple(symmetric(stem, i, j) for j in square) for i in square)

    moments = [
        Argument("A", "E g_1 in the cluster", vector("A")),
        *(Argument(name, says, full(name)) for name, says in (
            ("H0", "E h_0"), ("H1", "E h_1"), ("P", "E P̂"), ("N0", "E g_0 g_0ᵀ"), ("N1", "E g_1 g_1ᵀ"),
        )),
    ]  # fmt: skip
    state = [
        Argument("Theta", "overlaps with one reference direction u, on the atom", vector("Theta")),
        Argument("q", "overlaps of the vectors on the atom", full("q")),
        Argument("m", "Θ(s)·c: overlaps with the cluster's centroid on the atom", vector("m")),
        Argument("t", "overlap of the centroid and u on the atom", symbol("t")),
        Argument("varsigma", "eigenvalue of the cluster on the atom", varsigma),
        Argument("mass", "share p_s of the atom", mass),
    ]
    training = [Argument("eta", "learning rate", eta)]
    if system.optimiser is None:
        training += [Argument("weight_decay", "λ", lam), Argument("rho", "rates of the vectors", tuple(system.rates))]
    drift = tuple(tuple(system.gram_drift[min(i, j), max(i, j)] for j in square) for i in square)
    return Function(
        "drift",
        "dΘ(s)/dτ and dq(s)/dτ of one atom and one cluster; average over clusters with their weights.",
        (*moments, *state, *training), (), (("dTheta", tuple(system.theta_drift)), ("dq", drift)),
    )  # fmt: skip


def identifier(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if plain and not plain[0].isdigit() else f"x{plain}"
