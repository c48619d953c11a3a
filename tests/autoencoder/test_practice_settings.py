"""Time-conditioned denoisers, loss weights, averages, momentum, labels and guidance: what a file may say, and what it may not."""

from __future__ import annotations

import tomllib
import warnings

import numpy as np
import pytest
import sympy

from asymptotics import Experiment
from asymptotics.autoencoder.model.problem import Problem
from derivations import Denoiser, Optimiser, derive, label, local_field, schedule
from derivations.autoencoder.training.update import Equations

#: The complete file of all the keys.
COMPLETE = """
[target]
weights = [0.5, 0.5]
centroids = [[1.8], [-1.8]]
eigenvalues = [[0.5]]
labels = [0, 1]
[denoiser]
architecture = "labelled_bias"
hidden_units = 2
activation = "tanh"
skip_fixed = "beta/(alpha**2+beta**2)"
skip_basis = ["1", "t"]
skip = [0.0, 0.0]
input_scale = "1/sqrt(alpha**2+beta**2)"
output_scale = "alpha"
parameters = [0.0, 0.0, 0.0, 0.0]
[denoiser.init]
Theta = [[0.4], [-0.1]]
Q = [[0.4, 0.1], [0.1, 0.3]]
[training]
times = [0.25, 0.5, 0.75]
weights = [0.4, 0.4, 0.2]
learning_rate = 0.2
weight_decay = 0.1
tau = 3.0
label_dropout = 0.2
ema = 1.0
[sampling]
scheme = "euler"
step = 0.01
stop = 0.9
network = "ema"
label = 0
guidance = 1.0
"""


def complete(**changes: object) -> Experiment:
    """The complete file with some dotted keys changed."""
    return Experiment.from_table(tomllib.loads(COMPLETE)).replace({k.replace("__", "."): v for k, v in changes.items()})


def test_the_complete_file_says_what_it_means() -> None:
    problem = complete().problem
    t = np.array([0.25, 0.5, 0.75])
    fixed, psi = problem.skip_functions(t)
    np.testing.assert_allclose(fixed, t / ((1 - t) ** 2 + t**2), rtol=1e-15)
    np.testing.assert_allclose(psi, [np.ones(3), t], rtol=1e-15)
    np.testing.assert_allclose(problem.skip_at([0.5, -1.0], t), fixed + 0.5 - t, rtol=1e-15)
    average = problem.time_average()
    np.testing.assert_allclose(average.first, [0.4, 0.4, 0.2], rtol=1e-15)
    cells = problem.cells
    np.testing.assert_allclose(cells.weight, [0.4, 0.4, 0.1, 0.1], rtol=1e-15)
    assert cells.label.tolist() == [0, 1, -1, -1] and cells.cluster.tolist() == [0, 1, 0, 1]
    assert cells.one_hot.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    stack = problem.optimiser
    R, A = stack.at(1.0, 1.0, problem.decay())
    # dw = (1) F - 0.05 w and dw̄ = γ(w − w̄).
    assert R.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    np.testing.assert_allclose(A, [[-0.05, 0, 0, 0], [0, -0.05, 0, 0], [1, 0, -1, 0], [0, 1, 0, -1]], rtol=1e-15)
    assert problem.generating == 0
    declared = problem.denoiser.declaration()
    k = declared.parameters
    assert [str(x) for x in k] == ["kappa_0_1", "kappa_0_2", "kappa_1_1", "kappa_1_2"]
    a, c = schedule.alpha, schedule.beta
    inside = local_field("w_2") / sympy.sqrt(a**2 + c**2) + label(0) * k[1] + label(1) * k[3]
    assert sympy.simplify(declared.terms[1][1] - a * sympy.tanh(inside)) == 0
    again = Problem.from_tables(problem.to_tables())
    assert again.to_tables() == problem.to_tables()
    assert again.denoiser.specification() == problem.denoiser.specification()


def test_labelled_decoders_stand_in_the_order_of_the_labels() -> None:
    exp = complete(denoiser__architecture="labelled_decoder", denoiser__parameters=[], denoiser__init={"random": 0.5})
    declared = exp.problem.denoiser.declaration()
    assert declared.vectors == ("u_0_1", "u_0_2", "u_1_1", "u_1_2", "u_none_1", "u_none_2", "v_1", "v_2")
    gates = {u: phi.subs({label(0): 0, label(1): 0}) for u, phi in declared.terms}
    assert [u for u, phi in gates.items() if phi != 0] == ["u_none_1", "u_none_2"]


def test_own_network_of_a_file() -> None:
    table = {
        "vectors": ["u", "v", "g"], "terms": [["u", "tanh(v)*(1+tanh(g + kappa*label_1))/2"], ["v", "t*alpha*v"]],
        "parameters": {"kappa": 0.4}, "init": {"random": 0.3},
    }  # fmt: skip
    tables = tomllib.loads(COMPLETE) | {"denoiser": table}
    problem = Experiment.from_table(tables).problem
    v, g = local_field("v"), local_field("g")
    declared = problem.denoiser.declaration()
    (kappa,) = declared.parameters
    wanted = sympy.tanh(v) * (1 + sympy.tanh(g + kappa * label(1))) / 2
    assert sympy.simplify(declared.terms[0][1] - wanted) == 0
    assert declared.terms[1] == ("v", schedule.t * schedule.alpha * v)
    assert problem.denoiser.parameters.tolist() == [0.4]
    assert Problem.from_tables(problem.to_tables()).denoiser.specification() == problem.denoiser.specification()


def test_symbols_are_nobody_elses() -> None:
    """A parameter called alpha is the user's; the plain symbol is refused; schedule.alpha is the schedule's."""
    omega, plain = local_field("w"), sympy.Symbol("alpha", real=True)
    mine = Denoiser("mine", ("w",), (("w", sympy.tanh(omega + plain)),), (plain,))
    assert mine.parameters[0] != schedule.alpha and not mine.conditioned
    both = Denoiser("both", ("w",), (("w", schedule.alpha * sympy.tanh(omega + plain)),), (plain,))
    assert both.conditioned and schedule.alpha in both.phi[0].free_symbols
    with pytest.raises(ValueError, match="alpha"):
        Denoiser("refused", ("w",), (("w", sympy.tanh(omega) * plain),))
    with pytest.raises(ValueError, match="label_1"):
        Denoiser("refused", ("w",), (("w", sympy.tanh(omega) * label(1)),), labels=1)
    with pytest.raises(ValueError, match="symbol of its own"):
        Denoiser("refused", ("w",), (("w", sympy.tanh(omega)),), (schedule.t,))


def test_optimiser_is_a_linear_map_in_the_derivation() -> None:
    """Heavy ball by hand: dΘ_v = D(u) − gΘ_v and dΘ_w = kΘ_v − λ/2 Θ_w; dq_wv has no noise, dq_vv has it once."""
    phi = (("w", sympy.tanh(local_field("w"))),)
    g, k, decay = sympy.Integer(2), sympy.Integer(3), sympy.Rational(1, 10)
    linear = {("v", "v"): -g, ("w", "v"): k, ("w", "w"): -decay / 2}
    heavy = derive(Denoiser("ball", ("w", "v"), phi), Optimiser(gradient={("v", "w"): 1}, linear=linear))
    plain = Equations(Denoiser("ball", ("w", "v"), phi))
    drift = plain.theta_drift[0].subs({"lambda": 0, "rho_1": 1})
    drift = drift.xreplace({x: 0 for x in drift.free_symbols if x.name == "lambda"})
    drift = drift.xreplace({x: 1 for x in drift.free_symbols if x.name == "rho_1"})
    theta_w, theta_v = (sympy.Symbol(f"Theta_{a}", real=True) for a in (1, 2))
    assert sympy.expand(heavy.theta_drift[1] - drift + g * theta_v) == 0
    assert sympy.expand(heavy.theta_drift[0] - k * theta_v + decay / 2 * theta_w) == 0
    noisy = {key: any(x.name.startswith("N") for x in e.free_symbols) for key, e in heavy.gram_drift.items()}
    assert noisy == {(0, 0): False, (0, 1): False, (1, 1): True}
    assert derive(Denoiser("ball", ("w", "v"), phi), Optimiser(sympy.eye(2), sympy.zeros(2))).optimiser is not None


def test_dependent_functions_of_the_skip_are_said() -> None:
    from asymptotics.autoencoder.model.warnings import DependentBasisWarning

    with pytest.warns(DependentBasisWarning, match="rank 1"):
        complete(denoiser__skip_basis=["t", "2*t"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complete(denoiser__skip_basis=["t", "t**2", "alpha*beta**2"], denoiser__skip=[0.0, 0.0, 0.0])


def test_controls_along_the_training() -> None:
    exp = complete(
        training__times=[["tau", "time"], [0.0, 0.3], [4.0, 0.7]],
        training__weights="1 + t",
        training__weight_decay="0.1*exp(-tau)",
    ).problem
    at = exp.time_average(1.0)
    np.testing.assert_allclose([at.times[0], at.first[0], at.second[0]], [0.4, 1.4, 1.96], rtol=1e-14)
    np.testing.assert_allclose(exp.decay(2.0), 0.1 * np.exp(-2.0), rtol=1e-14)
    random = complete(training__average="random", training__time_probabilities=[0.2, 0.3, 0.5]).problem.time_average()
    np.testing.assert_allclose(random.first, [0.08, 0.12, 0.1], rtol=1e-14)
    np.testing.assert_allclose(random.second, [0.032, 0.048, 0.02], rtol=1e-14)
