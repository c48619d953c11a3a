"""The printable derivation of a denoiser's order-parameter equations."""

from __future__ import annotations

import sympy

from ...identity import require_zero
from ...steps import Derivation, Step, equation
from ...typeset import direction
from ..network.denoiser import alpha, beta
from ..network.names import eta, lam, mass, symbol, symmetric, varsigma, vector_symbols
from ..sampling.sampler import Sampler
from ..training import skip
from ..training.update import Equations
from . import practice as practice_steps
from . import slips as autoencoder_slips

_E = sympy.Function("E")


def _names(system: Equations) -> tuple[sympy.Symbol, ...]:
    return vector_symbols(system.denoiser.vectors)


def derivation(system: Equations) -> Derivation:
    """Definitions, loss, potential, gradients, one SGD step, Stein's lemma, the equations, the skip connection, sampling."""
    denoiser = system.denoiser
    steps = [_model(system), _loss(system), _potential(system), _gradient(system), _hessians(system)]
    steps += [_sgd(system), _stein(system), _equations(system)]
    if system.optimiser is None:
        steps.append(_closed(system))
    told = denoiser.conditioned or denoiser.labelled
    if told or not denoiser.plain or system.optimiser is not None:
        steps.append(practice_steps.averages(system))
    if not denoiser.plain:
        steps += practice_steps.skip_steps(system)
    elif denoiser.skip:
        steps += [_skip(system), skip.step(system.bulk)]
    if denoiser.parameters:
        steps.append(_scalars(system))
    y0, y1 = denoiser.target()
    if sympy.simplify(alpha * y1 - beta * y0) != 0:  # a multiple of x_t says nothing that could be sampled from
        steps += Sampler().steps(denoiser)
        if denoiser.labelled:
            steps.append(practice_steps.guidance(denoiser))
    published = denoiser.name == "tied" and denoiser.predicts == "data" and denoiser.plain and not told
    slips = autoencoder_slips.slips() if published else ()
    return Derivation(
        f"{denoiser.name} auto-encoder, {len(denoiser.terms)} term{'s' * (len(denoiser.terms) > 1)}",
        tuple(steps),
        slips,
        denoiser.vectors,
    )


def _model(system: Equations) -> Step:
    x, root = sympy.Symbol("x"), sympy.Symbol("d", positive=True) ** sympy.Rational(-1, 2)
    terms = [
        root * _names(system)[u] * phi for u, phi in zip(system.denoiser.decoders, system.denoiser.phi, strict=True)
    ]
    f = sympy.Function("f")
    y0, y1 = system.denoiser.target()
    x0, x1, x_t = sympy.symbols("x_0 x_1 x_t")
    fields = [
        sympy.Eq(omega, alpha * l0 + beta * l1)
        for omega, l0, l1 in zip(system.fields, *system.channel_fields, strict=True)
    ]
    return Step(
        "Model",
        "The denoiser f, the interpolant x_t at one time t (all that follows is inside E_t), the predicted quantity y and the "
        "local fields ω_a = w_a·x_t/√d with λ⁰_a = w_a·x₀/√d, λ¹_a = w_a·x₁/√d.",
        (
            equation(f(x), system.skip * x + sympy.Add(*terms)),
            *([] if system.denoiser.plain else [equation(system.skip, system.denoiser.skip_value())]),
            equation(x_t, alpha * x0 + beta * x1),
            equation(sympy.Symbol("y"), y0 * x0 + y1 * x1),
            *fields,
        ),
    )


def _loss(system: Equations) -> Step:
    return Step(
        "Loss of one sample",
        "The square of y − f(x_t), expanded with the inner products x₀·x₀ = d, x₁·x₁ = dΛ, x₀·x₁ = o(d), "
        "x_c·w_a/√d = λ^c_a, w_a·w_b/d = Q_ab.",
        (equation(sympy.Symbol("L"), system.loss),),
    )


def _potential(system: Equations) -> Step:
    definitions = [
        equation(e, value) for e, value in zip(system.residual_fields, system.residual_definition, strict=True)
    ]
    return Step(
        "Bulk and potential",
        "The part of order d depends on b alone; the part of order one is the potential ℓ, linear in the residual fields e "
        "(what is left to predict, seen along a decoder vector).",
        (
            equation(sympy.Symbol("L_bulk") / sympy.Symbol("d", positive=True), system.bulk),
            *definitions,
            equation(sympy.Symbol("ell"), system.potential),
        ),
    )


def _gradient(system: Equations) -> Step:
    equations = [equation(sympy.Symbol(f"g_{c}_{a + 1}"), g) for c in (0, 1) for a, g in enumerate(system.gradient[c])]
    return Step(
        "Gradient of the potential",
        "g^c_a = −½ ∂ℓ/∂λ^c_a, through ω and e by the chain rule.",
        tuple(equations),
    )


def _hessians(system: Equations) -> Step:
    pairs = [(a, c) for a in range(system.p) for c in range(a, system.p)]
    equations = [
        equation(sympy.Symbol(f"h_{ch}_{a + 1}_{c + 1}"), sympy.expand(system.hessian[ch][a][c]))
        for ch in (0, 1)
        for a, c in pairs
    ]
    equations += [equation(sympy.Symbol(f"Phat_{a + 1}_{c + 1}"), system.gram_derivative[a][c]) for a, c in pairs]
    text = "h^c_ab = ∂g^c_a/∂λ^c_b, and P̂_ab = −½(1 + δ_ab) ∂ℓ/∂Q_ab with Q_ab = Q_ba one variable."
    if system.has_kink:
        text += (
            " The activation has a kink: averages of h are taken by regression of g on the fields, C⁻¹ E[(λ − Eλ) g]."
        )
    return Step("Hessians and Gram derivative", text, tuple(equations))


def _sgd(system: Equations) -> Step:
    equations = [equation(sympy.Symbol(f"DTheta_{a + 1}"), x) for a, x in enumerate(system.theta_increment)]
    equations += [equation(sympy.Symbol(f"Dq_{a + 1}_{c + 1}"), x) for (a, c), x in system.gram_increment.items()]
    matrices: tuple[sympy.Basic, ...] = ()
    u = direction(system.denoiser.vectors)
    text = "w_a moves by −ρ_a η times the gradient of the loss plus λw_a/d, "
    if system.optimiser is not None:
        text, matrices = practice_steps.linear_map(system)
    return Step(
        "One SGD step" if system.optimiser is None else "One step of the optimiser",
        text + "with ∂λ^c_a/∂w_a = x_c/√d and ∂Q_ab/∂w_a = "
        "(1 + δ_ab)w_b/d. Overlaps restricted to atom s, increments per dτ = 2η/d at leading order: z^c_b is the sum of "
        f"x_c w_b/√d over the directions of s, z^c_{u} that of x_c {u} for a reference direction {u}, and x₁·x₁ = d p_s ς, "
        "x₀·x₀ = d p_s on the atom.",
        (*matrices, *equations),
    )


def _stein(system: Equations) -> Step:
    g1, h1, h0 = sympy.symbols("g_1_a h_1_ab h_0_ab")
    equations = [
        sympy.Eq(sympy.Symbol("A_a"), _E(g1)),
        sympy.Eq(sympy.Symbol("H1_ab"), _E(h1)),
        sympy.Eq(sympy.Symbol("H0_ab"), _E(h0)),
        sympy.Eq(sympy.Symbol("P_ab"), _E(sympy.Symbol("Phat_ab"))),
        sympy.Eq(sympy.Symbol("N1_ab"), _E(sympy.Symbol("g_1_a") * sympy.Symbol("g_1_b"))),
        sympy.Eq(sympy.Symbol("N0_ab"), _E(sympy.Symbol("g_0_a") * sympy.Symbol("g_0_b"))),
        sympy.Eq(
            sympy.Symbol("B_ab"),
            sympy.Symbol("varsigma") * sympy.Symbol("H1_ab") + sympy.Symbol("H0_ab") + sympy.Symbol("P_ab"),
        ),
        sympy.Eq(sympy.Symbol("N_ab"), sympy.Symbol("varsigma") * sympy.Symbol("N1_ab") + sympy.Symbol("N0_ab")),
    ]
    told, u = " (this t is no time)", direction(system.denoiser.vectors)
    return Step(
        "Stein's lemma",
        "Given a cluster the fields are Gaussian, and E[z g(λ)] = E[z] E[g] + sum_b Cov(z, λ_b) E[∂g/∂λ_b]; "
        f"the covariances are ςq(s) (channel 1), q(s) (channel 0), along {u} they are ςΘ(s) and Θ(s); the means of "
        f"channel 1 are m_b = Θ_b(s)·c and t = (T(s)c)·{u}{told}. With several times g is averaged over t before N is formed.",
        tuple(equations),
    )


def _equations(system: Equations) -> Step:
    tau = sympy.Symbol("tau")
    equations = []
    for a, drift in enumerate(system.theta_drift):
        name = sympy.Function(f"Theta_{a + 1}")(tau)
        equations.append(equation(sympy.Derivative(name, tau), drift))
    for (a, c), drift in system.gram_drift.items():
        name = sympy.Function(f"q_{a + 1}_{c + 1}")(tau)
        equations.append(equation(sympy.Derivative(name, tau), drift))
    return Step(
        "Order-parameter equations",
        "For atom s (eigenvalue ς, mass p_s) and one cluster; the right-hand sides are averaged over clusters with "
        "weights π_c, and all moments are averages over t too. Q = sum_s q(s), Θ = sum_s Θ(s).",
        tuple(equations),
    )


def _closed(system: Equations) -> Step:
    """The equations of any unit, as sums over the stacked vectors; checked against those written out above."""
    count, tau = sympy.Symbol("p", integer=True, positive=True), sympy.Symbol("tau")
    a, c, e = (sympy.Symbol(name, integer=True) for name in ("gamma", "delta", "epsilon"))
    mean = sympy.Function("E_c")
    A, theta, m, rho = (sympy.IndexedBase(name) for name in ("A", "Theta", "m", "rho"))
    B, q, N = (sympy.IndexedBase(name) for name in ("B", "q", "N"))
    t = symbol("t")
    row = rho[a] * (A[a] * t + sympy.Sum(B[a, e] * theta[e], (e, 1, count)) - lam * theta[a] / 2)
    half = {
        x: rho[x] * (A[x] * m[y] + sympy.Sum(B[x, e] * q[e, y], (e, 1, count)) - lam * q[x, y] / 2)
        for x, y in ((a, c), (c, a))
    }
    gram = half[a] + half[c] + 2 * eta * mass * rho[a] * rho[c] * N[a, c]
    if system.optimiser is None:
        _check_closed(system, row, gram, (a, c))
    equations = [
        equation(sympy.Derivative(sympy.Function("Theta_gamma")(tau), tau), mean(row)),
        equation(sympy.Derivative(sympy.Function("q_gamma_delta")(tau), tau), mean(gram)),
    ]
    return Step(
        "The closed system",
        "The same for any number p of stacked vectors, as a paper prints it: E_c is the average over clusters with weights π_c, "
        "and B_γε = ςH¹_γε + H⁰_γε + P_γε, N_γδ = ςN¹_γδ + N⁰_γδ; for one learning rate ρ = 1.",
        tuple(equations),
    )


def _check_closed(
    system: Equations, row: sympy.Expr, gram: sympy.Expr, indices: tuple[sympy.Symbol, sympy.Symbol]
) -> None:
    """The sums give the equations that Stein's lemma gave, for every vector and pair."""
    a, c = indices
    count = range(system.p)

    def written(expression: sympy.Expr, values: dict[sympy.Symbol, int]) -> sympy.Expr:
        numbers = {x: k + 1 for x, k in values.items()} | {sympy.Symbol("p", integer=True, positive=True): system.p}
        out = expression.subs(numbers).doit()
        names: dict[sympy.Expr, sympy.Expr] = {}
        for entry in out.atoms(sympy.Indexed):
            stem, place = str(entry.base.label), [int(i) - 1 for i in entry.indices]
            if stem == "B":
                names[entry] = varsigma * symmetric("H1", *place) + symmetric("H0", *place) + symmetric("P", *place)
            elif stem == "N":
                names[entry] = varsigma * symmetric("N1", *place) + symmetric("N0", *place)
            elif stem == "rho":
                names[entry] = system.rates[place[0]]
            else:
                names[entry] = symmetric(stem, *place) if len(place) == 2 else symbol(stem, place[0] + 1)
        return out.xreplace(names)

    for i in count:
        require_zero(sympy.expand(written(row, {a: i}) - system.theta_drift[i]), "the closed system of the overlaps")
        for j in range(i, system.p):
            require_zero(
                sympy.expand(written(gram, {a: i, c: j}) - system.gram_drift[i, j]),
                "the closed system of the Gram matrix",
            )


def _skip(system: Equations) -> Step:
    tau = sympy.Symbol("tau")
    return Step(
        "Skip connection",
        "db/dτ = −½ ∂_b of the bulk, averaged over t: linear in b.",
        (equation(sympy.Derivative(sympy.Function("b")(tau), tau), _E(system.skip_drift)),),
    )


def _scalars(system: Equations) -> Step:
    tau = sympy.Symbol("tau")
    equations = [
        equation(sympy.Derivative(sympy.Function(str(k))(tau), tau), _E(g))
        for k, g in zip(system.denoiser.parameters, system.scalar_gradient, strict=True)
    ]
    return Step(
        "Trainable scalars",
        "A scalar κ moves by −(η/d) times the derivative of the loss, so dκ/dτ = −½ E[∂ℓ/∂κ].",
        tuple(equations),
    )
