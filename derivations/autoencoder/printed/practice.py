"""Printed steps of networks that know the time or the label, with the skip connection that goes with them, and of any optimiser."""

from __future__ import annotations

from functools import lru_cache

import sympy

from ...identity import require_zero
from ...steps import Step, equation
from ..network.conditioning import at_label, schedule
from ..network.denoiser import Denoiser
from ..network.names import skip_at_time
from ..training import skip
from ..training.update import Equations

_E = sympy.Function("E")
_w, _omega = sympy.symbols("w omega", nonnegative=True)


def averages(system: Equations) -> Step:
    """What E_t and the average over cells are."""
    g = sympy.Function("g")(schedule.t)
    first, second = sympy.symbols("N_shared N_single")
    text = (
        "Everything stands inside E_t, with the weight w(t) of the loss: averages that are linear in the gradient are E_t[w ...]. "
        "Where one sample serves all times, w g is averaged before it is multiplied (N_shared); where every step draws one time from "
        "p(t), the noise is the average of the squares (N_single), so that p and w are not the same thing."
    )
    rows = [
        equation(first, _E(_w * g) * _E(_w * g)),
        equation(second, sympy.Function("E_p")(_w**2 * g**2)),
    ]
    if system.denoiser.labels:
        c = sympy.Symbol("pi_c", positive=True)
        drop = sympy.Symbol("p_0", nonnegative=True)
        text += (
            " A cluster is two cells with one Gaussian law: with its label, and with the label dropped (all entries of the one-hot label "
            "zero). Equations of the scalars of a label sum over its cells alone."
        )
        rows += [
            equation(sympy.Symbol("pi_c_label"), c * (1 - drop)),
            equation(sympy.Symbol("pi_c_dropped"), c * drop),
        ]
    return Step("Averages over times, weights and labels", text, tuple(rows))


def linear_map(system: Equations) -> tuple[str, tuple[sympy.Basic, ...]]:
    """What the step of a declared optimiser says, and its matrices."""
    if system.optimiser is None:
        raise ValueError("optimiser: there is none; plain SGD has a step of its own")
    R, A = system.optimiser.matrices(system.denoiser.vectors)
    text = "w_a moves by η times the sum of R_ab (−∇_b loss) plus 2η/d times that of A_ab w_b, "
    return text, (equation(sympy.Symbol("R"), R), equation(sympy.Symbol("A"), A))


# the skip connection --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _solution_holds() -> bool:
    """b₀ + ∫₀^τ e^{−Gx} dx (h − G b₀) solves db/dτ = h − G b, for a regular and for a singular G."""
    x, tau = sympy.symbols("x tau", positive=True)
    for entries in (((2, 1), (1, 2)), ((1, 2), (2, 4))):
        G, h, b0 = sympy.Matrix(entries), sympy.Matrix([3, 6]), sympy.Matrix([sympy.Rational(1, 2), -1])
        kernel = (-G * x).exp().applyfunc(lambda e: sympy.integrate(sympy.expand(e), (x, 0, tau)))
        b = b0 + kernel * (h - G * b0)
        for left, right in zip(b.diff(tau), h - G * b, strict=True):
            require_zero(sympy.simplify(left - right), "the skip connection in closed form solves its equation")
        require_zero(sympy.simplify((b.subs(tau, 0) - b0).norm()), "and starts where it should")
    return True


def relaxation(denoiser: Denoiser, bulk: sympy.Expr) -> tuple[sympy.Matrix, sympy.Matrix]:
    """(h, G) of db/dτ = h − G b, under E: h_k = w ψ_k (h_t − κ_t s₀), G_kl = w ψ_k ψ_l κ_t with −½ ∂_s bulk = h_t − κ_t s."""
    slope = sympy.Poly(skip.drift(bulk, skip_at_time), skip_at_time)
    source, rate = slope.coeff_monomial(1), -slope.coeff_monomial(skip_at_time)
    psi = sympy.Matrix(denoiser.psi)
    h = psi.applyfunc(lambda e: sympy.factor_terms(_w * e * (source - rate * denoiser.skip_fixed)))
    return h, (psi * psi.T).applyfunc(lambda e: sympy.factor_terms(_w * e * rate))


def skip_steps(system: Equations) -> list[Step]:
    """Equation and closed form of b_1, b_2, …."""
    denoiser, tau = system.denoiser, sympy.Symbol("tau")
    value = equation(skip_at_time, denoiser.skip_value())
    if not denoiser.psi:
        return [Step("Skip connection", "It is a given function of the time; nothing of it is trained.", (value,))]
    _solution_holds()
    h, G = relaxation(denoiser, system.bulk)
    n = len(denoiser.psi)
    b = [sympy.Symbol("b" if n == 1 else f"b_{k + 1}") for k in range(n)]
    rows = [
        equation(sympy.Derivative(x, tau), _E(_w * psi * system.skip_drift))
        for x, psi in zip(b, denoiser.psi, strict=True)
    ]
    equations = Step(
        "Skip connection",
        "b_k moves by −(η/d²) times the slope of the loss in b_k, and ∂s/∂b_k = ψ_k: per dτ this is ψ_k times "
        "−½ times the slope of the bulk in s, averaged over t with the weight w.",
        (value, *rows),
    )
    vector, start, H, M = sympy.symbols("b b_0 h G", commutative=False)
    x = sympy.Symbol("x")
    closed = start + sympy.Integral(sympy.exp(-M * x), (x, 0, tau)) * (H - M * start)
    solution = Step(
        "Skip connection in closed form",
        "The equations are linear and closed, db/dtau = h - G b with symmetric G >= 0; the solution is checked for a regular and for a "
        "singular G. Where the psi_k are linearly dependent at the training times G is singular, and b moves by least norm.",
        (
            *[equation(sympy.Symbol(f"h_{k + 1}"), _E(h[k])) for k in range(n)],
            *[equation(sympy.Symbol(f"G_{k + 1}_{m + 1}"), _E(G[k, m])) for k in range(n) for m in range(k, n)],
            equation(vector, closed),
        ),
    )
    return [equations, solution]


# guidance -------------------------------------------------------------------------------------------------------


def guidance(denoiser: Denoiser) -> Step:
    """The guided φ_j of every label."""
    rows = []
    for label in range(denoiser.labels):
        for j, phi in enumerate(denoiser.phi):
            told, free = at_label(phi, label, denoiser.labels), at_label(phi, None, denoiser.labels)
            rows.append(equation(sympy.Symbol(f"phi_{j + 1}_label_{label}"), (1 + _omega) * told - _omega * free))
    return Step(
        "Guided sampling",
        "f_g = (1 + omega) f(x | label) - omega f(x | dropped): the skip connection is shared, so that the linear part is the same, and "
        "phi_j is replaced by what is shown, with any omega(t); nothing else changes.",
        tuple(rows),
    )
