"""The sampling half: against the published coefficients, the law of x_t, and vectors; samplers that a user declares."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import asymptotics as asy
from asymptotics.autoencoder.generated.coefficients import coefficients
from asymptotics.autoencoder.generated.density import GeneratedDensity
from asymptotics.autoencoder.process.generating.sampler_steps import sampler_steps
from derivations import PREDICTIONS, Denoiser, Sampler, architecture, build, derive, local_field
from derivations.autoencoder.network.denoiser import alpha, alpha_dot, beta, beta_dot
from derivations.autoencoder.sampling import sampler as sampling
from derivations.autoencoder.sampling.algebra import Delta, b, epsilon, t
from derivations.autoencoder.training import skip

#: Drifts of other samplers: fewer scores, a data-driven one, one that reads the output alone, a drift in time.
DRIFTS = (
    "velocity + 2*epsilon*score",
    "(1 + epsilon)*velocity - 0.3*x",
    "alpha_dot*noise + beta_dot*data + epsilon*(data - x)",
    "f - x/(1 + t)",
    "t*data - exp(-t)*noise",
)


def test_coefficients_of_a_data_prediction_are_those_of_the_talk():
    """Γ = β̇ − α̇β/α + εβ/α², Δ = bΓ + α̇/α − ε/α²."""
    gamma, delta = Sampler().predicting(PREDICTIONS["data"])
    published = beta_dot - alpha_dot / alpha * beta + epsilon * beta / alpha**2
    assert sympy.simplify(gamma - published) == 0
    assert sympy.simplify(delta - (b * published + alpha_dot / alpha - epsilon / alpha**2)) == 0


@pytest.mark.parametrize("predicts", list(PREDICTIONS))
@pytest.mark.parametrize("schedule", [("1 - t", "t"), ("cos(pi*t/2)", "sin(pi*t/2)"), ("sqrt(1 - t**2)", "t**2")])
def test_the_best_skip_connection_at_every_time_carries_a_gaussian(predicts, schedule):
    """f = b*(t) x with b* = Cov(y, x)/Var x: v = α² + Λβ² solves the derived equation, for any ε."""
    time = {"t": t}
    a, c = (sympy.sympify(text, locals=time) for text in schedule)
    at = {alpha: a, beta: c, alpha_dot: a.diff(t), beta_dot: c.diff(t)}
    Lambda = sympy.Rational(7, 5)
    y0, y1 = (sympy.sympify(y).subs(at) for y in PREDICTIONS[predicts])
    spread = a**2 + Lambda * c**2
    best = (y0 * a + Lambda * y1 * c) / spread
    delta = Sampler().predicting(PREDICTIONS[predicts])[1].subs(at).subs(b, best)
    rate = sampling.variance_rate().subs({Delta: delta, sampling.v: spread})
    for point in (0.2, 0.55, 0.9):
        for strength in (0, 0.4):
            residual = (rate - spread.diff(t)).subs({t: point, epsilon: strength})
            assert abs(float(residual)) < 1e-10


def test_fields_of_a_network_with_decoders_of_its_own():
    """dZ_v = (Δ Z_v + Γ Q_uv φ) dt: the encoder's field is moved along the decoder."""
    step = Sampler().steps(architecture("untied", 1))[4]
    (row,) = step.equations
    Q = sympy.Symbol("Q_1_2", real=True)
    Z = sympy.Symbol("Z_v_1", real=True)
    (phi,) = row.rhs.atoms(sympy.Function("sigma")(Z).func)
    assert sympy.expand(row.rhs.coeff(sympy.Symbol("dt")) - (Delta * Z + sampling.Gamma * Q * phi)) == 0


@pytest.mark.parametrize("drift", [None, *DRIFTS])
@pytest.mark.parametrize("predicts", list(PREDICTIONS))
def test_theory_and_experiment_follow_the_same_drift(three_clusters, predicts, drift):
    """The derived coefficients against a linear solve at every time."""
    changes = {"denoiser.predicts": predicts, "sampling.epsilon": "0.2*alpha", "sampling.start": 0.03}
    exp = three_clusters.replace(changes | ({} if drift is None else {"sampling.drift": drift}))
    steps = sampler_steps(exp.problem, 0.4)
    k = coefficients(exp.problem, 0.4, exp.problem.sampling.grid()[:-1])
    np.testing.assert_allclose(k.gamma, steps["gamma"], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(k.delta, steps["delta"], rtol=1e-10, atol=1e-10)


def test_density_of_a_declared_sampler_is_that_of_vectors():
    """One unit, d = 300: dX = (1.2 velocity + 2 ε score) dt + √(2ε) dW stepped in NumPy, its own arithmetic throughout."""
    theta, q, skip_value, d, count = 1.1, 1.6, 0.7, 300, 3000
    exp = asy.Experiment(
        target={"centroids": [[1.0]]},
        denoiser={"skip": skip_value, "init": {"Theta": [[theta]], "Q": [[q]]}},
        training={"times": [0.5], "learning_rate": 0.1, "tau": 0.1},
        sampling={"drift": "1.2*velocity + 2*epsilon*score", "epsilon": "0.3*(1 - t)", "step": 0.05, "stop": 0.8},
    )
    law = GeneratedDensity(exp.problem, asy.solve(exp)(0.0))
    rng = np.random.default_rng(5)
    w = np.zeros(d)
    w[0], w[1] = theta * np.sqrt(d), np.sqrt((q - theta**2) * d)
    X = rng.standard_normal((count, d))
    for k in range(16):
        time = 0.05 * k
        eps = 0.3 * (1 - time)
        data = skip_value * X + np.tanh(X @ w / np.sqrt(d))[:, None] * w / np.sqrt(d)
        noise = (X - time * data) / (1 - time)
        drift = 1.2 * (data - noise) - 2 * eps * noise / (1 - time)
        X = X + 0.05 * drift + np.sqrt(2 * eps * 0.05) * rng.standard_normal(X.shape)
    outside = X[:, 2:].var()
    assert law.variance == pytest.approx(outside, rel=4 * np.sqrt(2 / (count * (d - 2))))
    mean, covariance = law.moments()
    error = np.sqrt(covariance[0, 0] / count)
    assert abs(X[:, 0].mean() - mean[0]) < 4 * error + 4 * np.sqrt(covariance[0, 0] / 200_000)
    assert X[:, 0].var() == pytest.approx(covariance[0, 0], rel=5 * np.sqrt(2 / count))
    default = GeneratedDensity(exp.replace({"sampling.drift": "velocity + epsilon*score"}).problem, asy.solve(exp)(0.0))
    assert abs(default.variance / outside - 1) > 0.1  # another sampler, another density


def test_default_drift_written_out_changes_nothing(three_clusters, three_clusters_path):
    at = three_clusters_path(1.0)
    for scheme in ("euler", "continuous"):
        plain = three_clusters.replace({"sampling.scheme": scheme, "sampling.stop": 0.7})
        written = plain.replace({"sampling.drift": "velocity + epsilon*score"})
        laws = [GeneratedDensity(e.problem, at) for e in (plain, written)]
        assert laws[0].variance == pytest.approx(laws[1].variance, rel=1e-12)
    assert "drift" not in plain.problem.to_tables()["sampling"]


@pytest.mark.parametrize("drift", ["velocity + 1", "x**2", "x*f", "tanh(score)", "foo", "x +", 7])
def test_drifts_that_are_not_linear_are_refused(three_clusters, drift):
    with pytest.raises(asy.InputError, match=r"sampling\.drift"):
        three_clusters.replace({"sampling.drift": drift})


def test_declared_samplers_print():
    other = Sampler("velocity + 2*epsilon*score")
    assert not other.exact and "would not generate" in str(other)
    assert Sampler().exact and Sampler("alpha_dot*noise + beta_dot*data - epsilon*noise/alpha").exact
    assert r"\Gamma" in other.latex() and "$$" in other.derivation.markdown()
    for name in ("x**2", "velocity + 1", "foo*x"):
        with pytest.raises(ValueError, match="drift"):
            Sampler(name)


def test_reports_print_the_sampling_half():
    assert build("sampling").name == "sampling with a trained network"
    for predicts in PREDICTIONS:
        chain = build("untied", 2, "tanh", predicts)
        titles = [step.title for step in chain]
        assert "Local fields of a generated sample" in titles and "Skip connection in closed form" in titles
    # A network that predicts x_t itself has learned nothing that could be sampled from; its equations are printed.
    w = local_field("w")
    same = derive(Denoiser("echo", ("w",), (("w", sympy.tanh(w)),), predicts=(alpha, beta)))
    assert "Generative process" not in [step.title for step in same.derivation]


@pytest.mark.parametrize("predicts", [*PREDICTIONS, "pair"])
def test_skip_connection_follows_from_the_bulk(predicts):
    """db/dτ and b_τ against gradient descent on the loss of a network b x, iterated with small steps in numbers."""
    target = (beta * alpha_dot, 1 + alpha) if predicts == "pair" else PREDICTIONS[predicts]
    times, Lambda, b0, tau = (0.2, 0.7), 0.6, -0.4, 1.3
    at = [{alpha: 1 - x, beta: x**2, alpha_dot: -1, beta_dot: 2 * x} for x in times]
    pairs = [tuple(float(sympy.sympify(y).subs(v)) for y in target) for v in at]

    def loss(value):
        return sum(
            ((y0 - value * (1 - x)) ** 2 + Lambda * (y1 - value * x**2) ** 2) / 2
            for x, (y0, y1) in zip(times, pairs, strict=True)
        )

    value = skip.integrate(lambda _, y: -(loss(y + 0.5) - loss(y - 0.5)) / 2, b0, tau, 400)
    form = skip.closed_form(target)
    averages = {skip.E_alpha2: alpha**2, skip.E_beta2: beta**2, skip.E_beta: beta}
    averages |= {e: e.args[0] for e in form.atoms(sympy.Function("E")(alpha).func)}
    numbers = {name: sum(x.subs(v) for v in at) / 2 for name, x in averages.items()}
    numbers |= {skip.Lambda: Lambda, skip.b0: b0, skip.tau: tau}
    assert float(form.subs(numbers)) == pytest.approx(value, rel=1e-9)
    assert sympy.expand(derive(architecture("tied", 1, predicts=target)).bulk - skip.bulk(target)) == 0


def test_printed_mean_and_rest_of_a_projection_are_those_of_drawn_vectors():
    """u·L given w·L/√d, by regression over 200 000 draws of L ~ N(0, v) in R^20."""
    d, count, v = 20, 200_000, 0.7
    rng = np.random.default_rng(11)
    w, u, L = rng.standard_normal(d), rng.standard_normal(d) / np.sqrt(d), rng.standard_normal((count, d)) * np.sqrt(v)
    fields, projections = L @ w / np.sqrt(d), L @ u
    slope = (fields @ projections) / (fields @ fields)
    rest = np.var(projections - slope * fields)
    mean, variance = Sampler().steps()[6].equations
    numbers = {"Q": w @ w / d, "Theta": w @ u / np.sqrt(d), "G": u @ u, "v": v}
    at = {sympy.Symbol(name, real=True): x for name, x in numbers.items()}
    printed = float(mean.rhs.coeff(sympy.Symbol("l", real=True)).subs(at))
    assert printed == pytest.approx(slope, abs=4 * np.sqrt(rest / (fields @ fields)))
    assert float(variance.rhs.subs(at)) == pytest.approx(rest, rel=4 * np.sqrt(2 / count))
