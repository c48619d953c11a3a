"""The printable derivation of a denoiser's order-parameter equations."""

from __future__ import annotations

import sympy

from ..steps import Derivation, Step, equation
from . import practice_steps, skip
from . import slips as autoencoder_slips
from .denoiser import alpha, beta
from .names import vector_symbols
from .sampling import Sampler
from .update import Equations

_E = sympy.Function("E")


def _names(system: Equations) -> tuple[sympy.Symbol, ...]:
    return vector_symbols(system.denoiser.vectors)


def derivation(system: Equations) -> Derivation:
    """Definitions, loss, potential, gradients, one SGD step, Stein's lemma, the equations, the skip connection, sampling."""
    denoiser = system.denoiser
    steps = [_model(system), _loss(system), _potential(system), _gradient(system), _hessians(system)]
    steps += [_sgd(system), _stein(system), _equations(system)]
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
    return Derivation(f"{denoiser.name} auto-encoder, {len(denoiser.terms)} terms", tuple(steps), slips)


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
        "local fields omega_a = w_a.x_t/sqrt(d) with lambda0_a = w_a.x_0/sqrt(d), lambda1_a = w_a.x_1/sqrt(d).",
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
        "The square of y - f(x_t), expanded with the inner products x_0.x_0 = d, x_1.x_1 = d Lambda, x_0.x_1 = o(d), "
        "x_i.w_a/sqrt(d) = lambda_ia, w_a.w_b/d = Q_ab.",
        (equation(sympy.Symbol("L"), system.loss),),
    )


def _potential(system: Equations) -> Step:
    definitions = [
        equation(e, value) for e, value in zip(system.residual_fields, system.residual_definition, strict=True)
    ]
    return Step(
        "Bulk and potential",
        "The part of order d depends on b alone; the part of order one is the potential ell, linear in the residual fields e "
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
        "g_ca = -1/2 d ell/d lambda_ca, through omega and e by the chain rule.",
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
    text = "h_c_ab = d g_ca/d lambda_cb, and Phat_ab = -1/2 (1 + delta_ab) d ell/d Q_ab with Q_ab = Q_ba one variable."
    if system.has_kink:
        text += (
            " The activation has a kink: averages of h are taken by regression of g on the fields, "
            "C^-1 E[(lambda - E lambda) g]."
        )
    return Step("Hessians and Gram derivative", text, tuple(equations))


def _sgd(system: Equations) -> Step:
    equations = [equation(sympy.Symbol(f"DTheta_{a + 1}"), x) for a, x in enumerate(system.theta_increment)]
    equations += [equation(sympy.Symbol(f"Dq_{a + 1}_{c + 1}"), x) for (a, c), x in system.gram_increment.items()]
    matrices: tuple[sympy.Basic, ...] = ()
    text = "w_a moves by -rho_a eta (grad loss + lambda/d w_a), with "
    if system.optimiser is not None:
        text, matrices = practice_steps.linear_map(system)
    return Step(
        "One SGD step" if system.optimiser is None else "One step of the optimiser",
        text + "d lambda_ca/d w_a = x_c/sqrt(d) and "
        "d Q_ab/d w_a = (1 + delta_ab) w_b/d. Overlaps restricted to atom s, increments per d tau = 2 eta/d at leading "
        "order: z_c_b = sum over s of x_c w_b/sqrt(d), zu_c = sum over s of x_c u for a reference direction u, and "
        "x_1.x_1 = d p_s varsigma, x_0.x_0 = d p_s on the atom.",
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
    told = " (this t is no time)" if system.denoiser.conditioned else ""
    return Step(
        "Stein's lemma",
        "Given a cluster the fields are Gaussian, and E[z g(lambda)] = E[z] E[g] + sum_b Cov(z, lambda_b) E[d g/d lambda_b]; "
        "the covariances are varsigma q(s) (channel 1), q(s) (channel 0), along u varsigma Theta(s) and Theta(s); the means of "
        f"channel 1 are m_b = Theta_b(s).c and t = (T(s) c).u{told}. With several times g is averaged over t before N is formed.",
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
        "For atom s (eigenvalue varsigma, mass p_s) and one cluster; the right-hand sides are averaged over clusters with "
        "weights pi_c. Q = sum_s q(s), Theta = sum_s Theta(s).",
        tuple(equations),
    )


def _skip(system: Equations) -> Step:
    tau = sympy.Symbol("tau")
    return Step(
        "Skip connection",
        "db/dtau = -1/2 d/db of the bulk, averaged over t: linear in b.",
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
        "A scalar kappa moves by -(eta/d) d loss/d kappa, so d kappa/d tau = -1/2 E[d ell/d kappa].",
        tuple(equations),
    )
