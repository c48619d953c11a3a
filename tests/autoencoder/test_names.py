"""Names that users give to scalars and vectors: the equations are the same whatever they are."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.autoencoder.kernels.written.increments import _Writer as FluctuationWriter
from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.kernels.written.writer import code_names
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.quadrature.expectations import Rule
from derivations import Denoiser, derive, local_field
from derivations.autoencoder.dynamics.fluctuations import fluctuations

#: The engine's own, those of its code, and what Python and SymPy reserve.
TAKEN = (
    *("b", "alpha", "beta", "alpha_dot", "t", "Q", "eta", "lambda", "kappa", "x", "d", "tau", "sigma", "p_s", "rho_1"),
    *(
        "omega_v",
        "omega_u",
        "omega_1",
        "lambda1_u",
        "e_u",
        "e_1",
        "Q_1_1",
        "Q_1_2",
        "A_1",
        "P_1_1",
        "H1_1_1",
        "m",
        "m_1",
    ),
    *(
        "kappa_0",
        "R_0_0",
        "centre_0",
        "slope_0",
        "phi_0",
        "z_0",
        "x0",
        "mu_0",
        "C_0_1",
        "E0",
        "u",
        "v",
        "I",
        "pi",
        "E",
        "S",
    ),
)


def model(name, vectors=("u", "v"), **assumptions):
    a, v = sympy.Symbol(name, **assumptions), local_field(vectors[1])
    return Denoiser("m", vectors, [(vectors[0], a * sympy.tanh(v + a / 3))], parameters=(a,))


def experiment(denoiser, **more):
    count = len(denoiser.vectors)
    init = {"Theta": [[0.3]] * count, "Q": (np.eye(count) * 0.4 + 0.1).tolist()}
    start = {"parameters": [1.3] * len(denoiser.parameters)}
    return asy.Experiment(
        target={"centroids": [[2.0], [-1.0]], "weights": [0.6, 0.4]},
        denoiser={"system": derive(denoiser), "init": init, **start, **more},
        training={"times": [0.4], "learning_rate": 0.3, "tau": 1.0},
    )


def drift(denoiser):
    problem = experiment(denoiser).problem
    made = Drift(problem, kernels_of(problem, backend="numpy"), Rule("hermite", 12))
    y = initial_state(problem, made)
    return np.append(made(0.0, y), made.loss(y))


@pytest.fixture(scope="module")
def wanted():
    return drift(model("gain", real=True))


def equations(denoiser):
    """All that the engine derives, with numbers' names for what the user named."""
    system = derive(denoiser)
    there = code_names(system)
    rows = [system.potential, *system.gradient[0], *system.gradient[1], *system.scalar_gradient, system.bulk]
    rows += [h for channel in system.hessian for row in channel for h in row]
    rows += [p for row in system.gram_derivative for p in row]
    return [x.xreplace(there) for x in rows]


def test_a_scalar_of_any_name_gives_the_same_equations():
    first = equations(model("gain", real=True))
    for name in TAKEN:
        for assumptions in ({"real": True}, {}):
            assert equations(model(name, **assumptions)) == first, name


@pytest.mark.parametrize("name", ["b", "alpha", "omega_v"])
def test_a_scalar_of_any_name_gives_the_same_numbers(name, wanted):
    np.testing.assert_array_equal(drift(model(name, real=True)), wanted)


@pytest.mark.ci
def test_the_code_of_simulation_and_fluctuations_is_the_same_for_every_name():
    def code(denoiser):
        source = Forward.of(denoiser).source
        return source[source.index("VECTORS") :], FluctuationWriter(fluctuations(derive(denoiser))).source()

    first = code(model("gain", real=True))
    assert code(model("b")) == first


def test_scalars_swap_without_meeting():
    """κ₀ called kappa_1 and κ₁ called kappa_0: substitutions one after the other would mix them."""
    v = local_field("v")
    values = []
    for names in (("one", "two"), ("kappa_1", "kappa_0"), ("b", "alpha"), ("lambda", "eta")):
        a, c = map(sympy.Symbol, names)
        values.append(equations(Denoiser("m", ("u", "v"), [("u", a * sympy.tanh(v + c**2))], parameters=(a, c))))
    assert all(other == values[0] for other in values)


@pytest.mark.parametrize(
    "vectors",
    [
        *(("my w", "w-1"), ("w_1", "w1"), ("λ", "é"), ("lambda", "for"), ("1", "2"), ("b", "x"), ("alpha", "Q_1_1")),
        *(("None", "w'"), ("w (out)", "w.2"), ("omega_v", "v"), ("kappa_0", "e_1"), ("u:", "v+1")),
    ],
)
@pytest.mark.ci
def test_vectors_of_any_name(vectors, wanted):
    denoiser = model("b", vectors)
    assert equations(denoiser) == equations(model("gain"))
    if vectors[0] in ("my w", "lambda", "omega_v"):
        np.testing.assert_array_equal(drift(denoiser), wanted)
    assert all(v in str(derive(denoiser).derivation["Model"].equations) for v in vectors)
    assert derive(denoiser).latex()


@pytest.mark.parametrize("name", ["", " w", "w\n", "$w$", "w\\", 'a"', "x" * 61, 3, None])
def test_names_of_vectors_that_are_none(name):
    with pytest.raises(ValueError, match=r"vector .*: must be printable text"):
        Denoiser("m", (name,), [(name, sympy.tanh(local_field(name)))])


def test_refusals_are_one_clear_line():
    v, a = local_field("v"), sympy.Symbol("a", real=True)
    for vectors, phi, parameters, message in [
        (("v", "v"), v, (), "distinct"),
        (("v",), a * v, (), "has the symbol 'a'"),
        (("v",), sympy.Symbol("omega_v", real=True), (), "has the symbol 'omega_v'"),
        (("v",), a * v, (a, a), "'a' is there 2 times"),
        (("v",), a * v, (a, sympy.Symbol("a")), "'a' is there 2 times"),
        (("v",), a * v, ("a",), "must be a SymPy symbol"),
        (("v",), v**2, (v,), "is a local field"),
        (("v",), a, (a,), "must depend on a local field"),
        (("v",), sympy.Symbol("a", imaginary=True) * v, (sympy.Symbol("a", imaginary=True),), "must be real"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            Denoiser("m", vectors, [("v", phi)], parameters=parameters)
        assert "\n" not in str(caught.value)


def test_the_printed_derivation_keeps_the_names_and_tells_them_apart():
    text = str(derive(model("gain")))
    assert "gain" in text and "gain_user" not in text
    steps = derive(model("b")).derivation
    names = {s.name for s in steps["Trainable scalars"].equations[0].free_symbols}
    assert "b_user" in names
    assert r"b_{\mathrm{user}}" in steps["Trainable scalars"].latex() and str(steps["Trainable scalars"])


def test_a_vector_called_b_and_the_skip_connection():
    denoiser = model("gain", ("b", "v"))
    with pytest.raises(InputError, match=r"denoiser\.frozen"):
        experiment(denoiser, frozen=["b"])
    assert experiment(denoiser, frozen=["v"]).problem.denoiser.rates({})[0].tolist() == [1.0, 0.0]
    # "w" is the vector of that name, not the group of w_1.
    assert experiment(model("gain", ("w_1", "w")), frozen=["w"]).problem.denoiser.rates({})[0].tolist() == [1.0, 0.0]
