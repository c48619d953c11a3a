"""Derivations of networks that know the time and the label: kernels against a differentiation by hand, printed steps."""

from __future__ import annotations

import pytest
import sympy

from derivations import Denoiser, Optimiser, architecture, build, derive, label, local_field, schedule
from derivations.autoencoder.printed.practice import relaxation

t, alpha, beta = schedule.t, schedule.alpha, schedule.beta


def conditioned() -> Denoiser:
    """Preconditioned, two trained functions in the skip, a bias for each of two labels."""
    return architecture(
        "labelled_bias", 1, labels=2, activation="tanh", input_scale=1 / sympy.sqrt(alpha**2 + beta**2), output_scale=alpha,
        skip_fixed=beta / (alpha**2 + beta**2), skip_basis=(sympy.Integer(1), t),
    )  # fmt: skip


def test_potential_is_the_square_of_the_residual() -> None:
    """ℓ = 2φ(sω − λ₁) + Qφ², and the bulk (sα)² + Λ(1 − sβ)², by hand."""
    system = derive(conditioned())
    (omega,), (phi,) = system.fields, system.denoiser.phi
    s, Lambda = sympy.Symbol("s", real=True), sympy.Symbol("Lambda", positive=True)
    e, Q = system.residual_fields[0], sympy.Symbol("Q_1_1", real=True)
    assert sympy.expand(system.potential - (-2 * phi * e + Q * phi**2)) == 0
    assert sympy.expand(system.bulk - ((s * alpha) ** 2 + Lambda * (1 - s * beta) ** 2)) == 0
    assert omega == local_field("w_1")
    kappa = system.denoiser.parameters
    for k, slope in enumerate(system.scalar_gradient):
        wanted = -sympy.diff(system.potential, kappa[k]) / 2
        at = {
            omega: 0.4,
            e: 0.3,
            Q: 0.7,
            alpha: 0.4,
            beta: 0.6,
            label(0): 1,
            label(1): 0,
            kappa[0]: 0.1,
            kappa[1]: -0.3,
        }
        assert float(slope.xreplace(at)) == pytest.approx(float(wanted.xreplace(at)), abs=1e-14)
        assert (float(slope.xreplace(at)) != 0) == (k == 0)  # the scalars of the other label stay


def test_skip_relaxes_to_the_minimum_of_the_bulk() -> None:
    """G b = h where E_t w bulk is least, for three times and weights: minimised by hand."""
    denoiser = conditioned()
    h, G = relaxation(denoiser, derive(denoiser).bulk)
    w, Lambda = sympy.Symbol("w", nonnegative=True), sympy.Symbol("Lambda", positive=True)
    b = sympy.symbols("b_1 b_2", real=True)
    source, matrix, loss = sympy.zeros(2, 1), sympy.zeros(2, 2), sympy.Integer(0)
    for time, weight in ((sympy.Rational(1, 4), 2), (sympy.Rational(1, 2), 1), (sympy.Rational(3, 4), 3)):
        at = {t: time, alpha: 1 - time, beta: time, w: sympy.Integer(weight), Lambda: sympy.Rational(1, 2)}
        source, matrix = source + h.xreplace(at), matrix + G.xreplace(at)
        s = denoiser.skip_value().xreplace(at)
        loss += weight * ((s * (1 - time)) ** 2 + (1 - s * time) ** 2 / 2)
    best = sympy.solve([sympy.diff(loss, x) for x in b], b)
    assert sympy.simplify(matrix * sympy.Matrix([best[x] for x in b]) - source) == sympy.zeros(2, 1)


def test_printed_steps_say_what_is_new() -> None:
    derivation = derive(conditioned()).derivation
    titles = [step.title for step in derivation.steps]
    assert "Averages over times, weights and labels" in titles and "Guided sampling" in titles
    text = str(derivation)
    assert "singular G" in text and "least norm" in text
    assert "\\int" in derivation.latex()
    plain = derive(architecture("tied", 1)).derivation
    assert not {"Averages over times, weights and labels", "Guided sampling"} & {step.title for step in plain.steps}
    ball = Denoiser("ball", ("w", "v"), (("w", sympy.tanh(local_field("w"))),))
    moved = derive(ball, Optimiser({("v", "w"): 1}, {("w", "v"): 2, ("v", "v"): -schedule.tau})).derivation
    assert "One step of the optimiser" in [step.title for step in moved.steps]


@pytest.mark.parametrize("name", ["labelled_bias", "labelled_decoder"])
def test_labelled_architectures_are_derived_by_name(name: str) -> None:
    assert "label_0" in build(name, 1).markdown().replace("{", "").replace("}", "")


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        ({"x": 1}, "must be one of"),
        (sympy.eye(3), "3 rows"),
        ({"w": sympy.Symbol("k")}, "schedule.tau"),
        (1, "mapping"),
    ],
)
def test_optimisers_that_do_not_fit_are_refused(gradient: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derive(Denoiser("one", ("w",), (("w", sympy.tanh(local_field("w"))),)), Optimiser(gradient))
