"""Kinks, jumps and proportional ramps: the same function in every spelling, against an integration from the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

import asymptotics as asy
from asymptotics.autoencoder.kernels.written.closed import IMPORTS
from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.kernels.written.proof import disagreement
from asymptotics.autoencoder.kernels.written.system import SystemWriter
from asymptotics.common.input.checks import InputError
from derivations import Denoiser, architecture, derive, local_field

V = local_field("v")
HALF = sympy.Rational(1, 2)
TABLES = {
    "target": {"centroids": [[2.0], [-1.0]], "weights": [0.6, 0.4]},
    "training": {"times": [0.5], "learning_rate": 0.3, "tau": 1.5},
}


def one_unit(phi):
    system = derive(Denoiser("one", ("v",), [("v", phi)]))
    return asy.Experiment(denoiser={"system": system, "init": {"Theta": [[0.3]], "Q": [[0.5]]}}, **TABLES)


def written(text):
    return asy.Experiment(denoiser={"activation": text, "init": {"Theta": [[0.3]], "Q": [[0.5]]}}, **TABLES)


def end(experiment, **options):
    path = asy.solve(experiment, progress=False, **{"backend": "numpy", **options})
    at = path(1.5)
    return np.array([at.Theta[0, 0], at.Q[0, 0], at.b]), path


def by_definition(phi, slope, breaks, units=1):
    """(Θ, Q, b) at τ = 1.5 of tied units with the same weights, from E[z g] itself: no Stein's lemma, no kernel, φ and φ′ by hand.

    Given the local fields a Gaussian z is Cov(z, λ)/Var λ (λ − Eλ) and an independent rest. The integral over ω goes piece by
    piece, that over λ₁ given ω is of degree two.
    """
    a = c = 0.5
    x, w = np.polynomial.legendre.leggauss(80)
    h, v = np.polynomial.hermite_e.hermegauss(5)
    v = v / v.sum()

    def drift(_, y):
        theta, q, b = y
        out = np.array([0.0, 0.0, c * (1 - b * c) - b * a * a])
        for weight, centre in zip((0.6, 0.4), (2.0, -1.0), strict=True):
            m = theta * centre
            mean, sd = c * m, np.sqrt((a * a + c * c) * q)
            edges = np.unique(np.clip([mean - 9 * sd, *breaks, mean, mean + 9 * sd], mean - 9 * sd, mean + 9 * sd))
            omega = np.concatenate([lo + (hi - lo) * (x + 1) / 2 for lo, hi in itertools.pairwise(edges)])
            dens = np.concatenate([w * (hi - lo) / 2 for lo, hi in itertools.pairwise(edges)])
            dens = dens * np.exp(-((omega - mean) ** 2) / (2 * sd**2)) / (sd * np.sqrt(2 * np.pi))
            l1 = m + c * q * (omega - mean)[:, None] / sd**2 + np.sqrt(q - (c * q / sd) ** 2) * h
            l0 = (omega[:, None] - c * l1) / a
            p = dens[:, None] * v
            s, d, omega = phi(omega)[:, None], slope(omega)[:, None], omega[:, None]
            error = l1 - b * omega - units * q * s
            g1, g0 = (1 - b * c) * s + c * error * d, -b * a * s + a * error * d
            P = -units * np.sum(p * s * s)
            along = (np.sum(p * (l1 - m) * g1) + np.sum(p * l0 * g0)) / q
            out[0] += weight * (np.sum(p * g1) * centre + along * theta + P * theta)
            out[1] += weight * 2 * (np.sum(p * (l1 * g1 + l0 * g0)) + P * q + 0.3 * np.sum(p * (g1**2 + g0**2)))
        return out

    return solve_ivp(drift, (0, 1.5), [0.3, 0.5, 0.0], rtol=1e-10, atol=1e-11, method="DOP853").y[:, -1]


def soft(x):
    return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


H, S, M, N, A, E = sympy.Heaviside, sympy.sign, sympy.Max, sympy.Min, sympy.Abs, sympy.exp
PW = sympy.Piecewise
#: name: (φ, φ′, breaks, spellings in SymPy, spellings in a file).
FAMILIES = {
    "soft threshold": (
        soft,
        lambda x: (np.abs(x) > 0.5) * 1.0,
        (-0.5, 0.5),
        [
            PW((V - HALF, V > HALF), (V + HALF, V < -HALF), (0, True)),
            M(0, V - HALF) - M(0, -V - HALF),
            S(V) * M(A(V) - 0.5, 0),
            V - N(HALF, M(-HALF, V)),
            PW((0, A(V) < HALF), (V - S(V) / 2, True)),
        ],
        ["max(0, x-0.5) - max(0, -x-0.5)", "sign(x)*max(abs(x)-0.5, 0)", "x - min(0.5, max(-0.5, x))"],
    ),
    "absolute value": (
        np.abs,
        np.sign,
        (0.0,),
        [
            A(V),
            M(V, -V),
            sympy.sqrt(V**2),
            V * S(V),
            PW((V, V >= 0), (-V, True)),
            M(0, V) + M(0, -V),
            V * (2 * H(V) - 1),
        ],
        ["abs(x)", "max(x, -x)", "sqrt(x**2)", "x*sign(x)", "-min(x, -x)"],
    ),
    "ramp": (
        lambda x: np.maximum(x, 0),
        lambda x: (x > 0) * 1.0,
        (0.0,),
        [
            M(0, V),
            V * H(V),
            (V + A(V)) / 2,
            -N(0, -V),
            PW((0, V < 0), (V, True)),
            PW((0, sympy.Or(V < -1, V < 0)), (V, True)),
            M(0, 3 * V) / 3,
        ],
        ["max(0, x)", "(x+abs(x))/2", "x*(1+sign(x))/2", "-min(0,-x)"],
    ),
    "squared ramp": (
        lambda x: np.maximum(x, 0) ** 2 / 4,
        lambda x: np.maximum(x, 0) / 2,
        (0.0,),
        [M(0, V) ** 2 / 4, V**2 * H(V) / 4, PW((V**2 / 4, V > 0), (0, True)), V * (V + A(V)) / 8],
        ["max(0, x)**2/4", "x*max(0, x)/4", "(x**2 + x*abs(x))/8"],
    ),
    "leaky ramp": (
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1.0, 0.2),
        (0.0,),
        [
            M(V, V / 5),
            M(V, 0.2 * V),
            M(0, V) - M(0, -V) / 5,
            PW((V, V > 0), (V / 5, True)),
            0.6 * V + 0.4 * A(V),
            M(0, V) + N(0, V) / 5,
        ],
        ["max(x, 0.2*x)", "max(0, x) - 0.2*max(0, -x)", "0.6*x + 0.4*abs(x)"],
    ),
    "hard tanh": (
        lambda x: np.clip(x, -1, 1),
        lambda x: (np.abs(x) < 1) * 1.0,
        (-1.0, 1.0),
        [
            M(-1, N(1, V)),
            (A(V + 1) - A(V - 1)) / 2,
            PW((-1, V < -1), (1, V > 1), (V, True)),
            PW((V, A(V) < 1), (S(V), True)),
        ],
        ["max(-1, min(1, x))", "(abs(x+1) - abs(x-1))/2"],
    ),
    "tanh": (
        np.tanh,
        lambda x: 1 / np.cosh(x) ** 2,
        (),
        [
            sympy.tanh(V),
            (E(V) - E(-V)) / (E(V) + E(-V)),
            (E(2 * V) - 1) / (E(2 * V) + 1),
            2 / (1 + E(-2 * V)) - 1,
            sympy.sinh(V) / sympy.cosh(V),
            PW((sympy.tanh(V), V > 0), (sympy.tanh(V), True)),
        ],
        ["tanh(x)", "(exp(x)-exp(-x))/(exp(x)+exp(-x))", "1 - 2/(exp(2*x)+1)", "sinh(x)/cosh(x)"],
    ),
    "silu": (
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        (),
        [
            V / (1 + E(-V)),
            V * E(V) / (1 + E(V)),
            V * (1 + sympy.tanh(V / 2)) / 2,
            PW((V / (1 + E(-V)), V > 0), (V * E(V) / (1 + E(V)), True)),
        ],
        ["x/(1+exp(-x))", "x*exp(x)/(1+exp(x))", "x*(1+tanh(x/2))/2"],
    ),
}


#: One family with a jump of its slope away from 0, one with two breaks, one without any.
QUICK = ("leaky ramp", "hard tanh", "silu")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in FAMILIES])
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["two", "every"])
@pytest.mark.ci
def test_spellings_give_the_integral_of_the_definition(name, every):
    """The first in SymPy and the last in a file; or all of them."""
    phi, slope, breaks, spellings, texts = FAMILIES[name]
    wanted = by_definition(phi, slope, breaks)
    assert name != "soft threshold" or wanted[1] == pytest.approx(1.548, abs=5e-4)
    if not every:
        spellings, texts = spellings[:1], texts[-1:]
    for experiment in [*map(one_unit, spellings), *map(written, texts)]:
        got, path = end(experiment)
        assert np.max(np.abs(got - wanted)) < 2e-6, (name, got, wanted, path.rule)
        assert np.max(np.abs(got - wanted)) < path.error_estimate


@pytest.mark.parametrize("name", ["ramp", "hard tanh", "tanh"])
def test_two_identical_units_stay_identical(name):
    """Their fields have correlation 1: the closed forms take that exactly."""
    phi, slope, breaks, _, texts = FAMILIES[name]
    change = {"hidden_units": 2, "init": {"Theta": [[0.3], [0.3]], "Q": [[0.5, 0.5], [0.5, 0.5]]}}
    got, path = end(asy.Experiment(denoiser={"activation": texts[0], **change}, **TABLES))
    at = path(1.5)
    assert abs(at.Theta[0, 0] - at.Theta[1, 0]) < 1e-12
    assert np.ptp(at.Q) < 1e-12
    assert np.max(np.abs(got - by_definition(phi, slope, breaks, units=2))) < 2e-6


JUMPS = {
    "sign(x)": S(V),
    "sign(tanh(x))": S(sympy.tanh(V)),
    "tanh(x) + sign(x-1)/10": sympy.tanh(V) + S(V - 1) / 10,
    "max(0, x)*(1+sign(x-20))": M(0, V) * (1 + S(V - 20)),
    "abs(x-1)/(x-1)": A(V - 1) / (V - 1),
}


@pytest.mark.parametrize("text", JUMPS)
def test_a_jump_is_refused_with_the_reason(text):
    with pytest.raises(InputError, match=r"denoiser.activation = .*(jumps|not finite)"):
        asy.solve(written(text), progress=False)
    with pytest.raises(ValueError, match=r"jumps|not finite"):
        one_unit(JUMPS[text])
    with pytest.raises(InputError, match="activation"):
        asy.simulate(
            written(text).replace({"simulation.dimension": 20, "simulation.runs": 1}), progress=False, workers=1
        )


def test_gates_that_jump_are_refused_and_others_not():
    g = local_field("g")

    def declare(phi):
        return Denoiser("m", ("u", "v", "g"), [("u", phi)])

    for phi in (
        sympy.tanh(V) * H(g),
        PW((V, g > V), (-V, True)),
        V * S(g),
        sympy.floor(V),
        PW((V, V > 0), (V - HALF, True)),
    ):
        with pytest.raises(ValueError, match="jumps"):
            declare(phi)
    for phi in (M(V, g), A(V) * sympy.tanh(g), M(0, M(V, g) - 1), PW((V, g < V), (g, True)), A(V - 2 * g + 1)):
        assert declare(phi).smoothness()[0].kink
    for phi in (M(0, V) ** 2 * g, PW((V**2 / 2, A(V) < 1), (A(V) - HALF, True)), PW((V, V > 0), (E(V) - 1, True))):
        assert not declare(phi).smoothness()[0].kink and not declare(phi).smoothness()[0].smooth


@pytest.mark.parametrize("text", ["0", "0.3", "x - x", "log(x)", "1/x", "tan(x)", "sqrt(abs(x))", "x**0.5"])
def test_constants_poles_and_unbounded_slopes_are_one_clear_line(text):
    with pytest.raises(InputError, match=r"denoiser.activation = [^\n]*$"):
        asy.solve(written(text), progress=False)


def test_ratios_of_exponentials_do_not_overflow():
    g = local_field("g")
    gate = E(2 * V) / (E(2 * V) + E(2 * g))
    three = E(V) / (E(V) + E(g) + E(-g))
    for phi, wanted in (
        (gate, lambda v, g: sigmoid(2 * (v - g))),
        (three, lambda v, g: 1 / (1 + np.exp(g - v) + np.exp(-g - v))),
    ):
        forward = Forward.of(Denoiser("m", ("u", "v", "g"), [("u", phi)]))
        for v, w in ((-200.0, 250.0), (0.3, -0.7), (100.0, 99.0), (250.0, -240.0)):
            with np.errstate(over="ignore"):
                assert forward.values(np.array([0.0, v, w]), np.empty(0))[0] == pytest.approx(
                    wanted(v, w), rel=1e-12, abs=1e-90
                )


@pytest.mark.parametrize("activation", ["relu", "erf", "linear"])
def test_a_wrong_closed_form_does_not_pass_its_proof(activation):
    system = derive(architecture("tied", 1, activation=activation))
    writer = SystemWriter(system, "numpy", "auto")
    assert set(writer.closed) >= {"moments"}
    plain = {k: text[text.index("def ") :] for k, text in writer.closed.items()}
    assert disagreement(system, writer.names, IMPORTS, plain, False) == ""
    for name in ("A_1", "H1_1_1", "N0_1_1", "potential"):
        column = f"out[i, {writer.names.index(name)}] = "
        wrong = {"moments": plain["moments"].replace(column, column + "1.2 * ")}
        assert disagreement(system, writer.names, IMPORTS, wrong, False).startswith(name)


def test_a_break_without_a_kink_is_integrated_to_the_stated_error():
    """The exponential linear unit: φ″ jumps, no closed form."""
    elu = PW((V, V > 0), (E(V) - 1, True))
    wanted = by_definition(
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))),
        (0.0,),
    )
    got, path = end(one_unit(elu))
    assert "sobol" in path.rule
    assert np.max(np.abs(got - wanted)) < path.error_estimate < 3e-4
