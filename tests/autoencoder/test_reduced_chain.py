"""The order parameters' own Markov chain against full trainings in R^d: one law."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from asymptotics.autoencoder.finite_size.chain.chain_samples import chi_square
from asymptotics.autoencoder.finite_size.chain.chain_steps import steps_of, triangle
from asymptotics.autoencoder.finite_size.reduced_chain import Chain, simulate
from asymptotics.autoencoder.model.problem import Problem
from asymptotics.autoencoder.process.training.setup import sgd_problem
from asymptotics.autoencoder.process.training.sgd import one_run
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.normals import philox_key
from asymptotics.common.running.ensembles import run_ensemble, spawn
from asymptotics.experiment import load

REFERENCE = load("three-clusters").problem


def full(problem: Problem, d: int, runs: int, taus, seed: int, workers: int | None = 1, **changes):
    """Trainings in R^d: (runs, times, numbers)."""
    setup = dataclasses.replace(sgd_problem(problem, dimension=d), dtype="float64", **changes)
    found = run_ensemble(one_run, spawn(seed, runs), setup, taus, workers=workers)
    return flat(*(np.stack([r[name] for r in found]) for name in ("Theta", "Q", "b", "parameters")))


def flat(Theta, Q, b, parameters):
    i, j = np.triu_indices(Q.shape[-1])
    return np.concatenate([Theta.reshape(*Theta.shape[:2], -1), Q[..., i, j], b[..., None], parameters], axis=-1)


def reduced(problem: Problem, d: int, runs: int, taus, seed: int, workers: int | None = 1, initial: str = "exact"):
    r = simulate(problem, dimension=d, runs=runs, tau=taus, seed=seed, initial=initial, workers=workers)
    return flat(r.Theta, r.Q, r.b, r.parameters)


def one_law(x, y, level=1e-3):
    """Kolmogorov–Smirnov on every number at every τ, Bonferroni; numbers without fluctuations must coincide."""
    moving = x.std(axis=0) > 1e-12
    assert np.allclose(x[:, ~moving], y[:, ~moving], atol=1e-12)
    p = [stats.ks_2samp(a, c).pvalue for a, c in zip(x[:, moving].T, y[:, moving].T, strict=True)]
    assert min(p) > level / len(p), p


@pytest.mark.parametrize(
    "d", [50, pytest.param(200, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.slow)]
)
def test_one_law_on_the_reference(d):
    taus, runs = [1.0, 4.0], 600
    workers = 1 if d == 50 else None
    x, y = full(REFERENCE, d, runs, taus, 1, workers), reduced(REFERENCE, d, runs, taus, 2, workers)
    for k in range(len(taus)):
        one_law(x[:, k], y[:, k])


TARGET = {
    "weights": [0.5, 0.3, 0.2], "centroids": [[1.5, 0.3], [-0.7, 1.1], [0.2, -1.0]],
    "eigenvalues": [[1.0, 0.3], [0.5, 1.4], [0.2, 0.8]], "masses": [0.6, 0.4],
}  # fmt: skip
CASES = {
    "two atoms, shared times": ({"hidden_units": 2}, {"times": [0.3, 0.7]}, 20),
    "small atoms": ({"hidden_units": 2}, {"times": [0.6]}, 10),
    "an atom without a rest": ({"architecture": "untied", "hidden_units": 1}, {"times": [0.6]}, 9),
    "batch of three": ({"hidden_units": 1, "activation": "relu"}, {"times": [0.6], "batch": 3}, 14),
    "random times, biases, frozen, rates": (
        {"architecture": "untied_bias", "hidden_units": 2, "predicts": "velocity", "parameters": [0.2, -0.3], "frozen": ["u_2"]},
        {"times": [0.3, 0.7], "average": "random", "rates": {"b": 3.0, "v": 0.5}, "schedule": "1/(1 + tau)"},
        24,
    ),
}  # fmt: skip


#: Of these the quick ones have shared and random times, biases, frozen vectors and rates.
SLOW = ("small atoms", "an atom without a rest")


@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.slow] * (c in SLOW)) for c in CASES])
@pytest.mark.ci
def test_one_law_where_every_term_of_order_one_over_d_counts(case):
    """Small d, large η: nothing of higher order is negligible, and atoms are hardly larger than the frame."""
    denoiser, training, d = CASES[case]
    denoiser = {"skip": 0.3, "init": {"centroids": 0.3, "random": 0.4}} | denoiser
    training = {"learning_rate": 0.4, "weight_decay": 0.5, "tau": 3.0} | training
    p = Problem.from_tables({"target": TARGET, "denoiser": denoiser, "training": training})
    x, y = full(p, d, 800, [3.0], 3), reduced(p, d, 800, [3.0], 4)
    one_law(x[:, 0], y[:, 0])


@pytest.mark.ci
def test_one_law_of_drawn_starts():
    p = REFERENCE
    init = p.denoiser.init.replace(random=0.5)
    p = dataclasses.replace(p, denoiser=p.denoiser.replace(init=init))
    start = (np.array([[0.3, 0.0], [0.0, -0.3]]), 0.5)
    x = full(p, 12, 1000, [0.0, 1.0], 5, theta=None, q=None, start=start)
    y = reduced(p, 12, 1000, [0.0, 1.0], 6, initial="drawn")
    for k in (0, 1):
        one_law(x[:, k], y[:, k])


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 40, 10**6])
def test_chi_square_variates(degrees):
    key, rng = philox_key(degrees), np.random.default_rng(degrees)
    values = np.array([chi_square(degrees, z, *key, k, 0) for k, z in enumerate(rng.standard_normal(20_000))])
    assert stats.kstest(values, stats.chi2(degrees).cdf).pvalue > 1e-3
    assert abs(np.mean(values) - degrees) < 4.5 * np.sqrt(2 * degrees / len(values))
    assert chi_square(0, 0.3, *key, 0, 0) == 0.0


def test_triangle():
    A = np.random.default_rng(0).standard_normal((4, 4))
    L = np.full((4, 4), np.nan)
    triangle(A @ A.T, L)
    assert np.allclose(L @ L.T, A @ A.T) and np.allclose(L, np.tril(L))
    flat_ = A[:, :2] @ A[:, :2].T
    triangle(flat_.copy(), L)
    assert np.allclose(L @ L.T, flat_, atol=1e-6)


@pytest.mark.ci
def test_starts_from_the_given_overlaps_and_resumes_bit_for_bit():
    setup = sgd_problem(REFERENCE, dimension=10**8)
    theta, q = Chain(setup, 0).overlaps()
    assert np.allclose(theta, setup.theta, atol=1e-14) and np.allclose(q, setup.q, atol=1e-14)
    whole, parts = Chain(setup, 7), Chain(setup, 7)
    whole.advance(1000)
    for n in (1, 126, 130, 743):
        parts.advance(n)
    assert np.array_equal(whole.W, parts.W)
    assert np.array_equal(whole.scalars, parts.scalars)
    other = Chain(setup, 8)
    other.advance(1000)
    assert not np.array_equal(whole.W, other.W)


def test_the_answer_does_not_depend_on_workers():
    x = reduced(REFERENCE, 100, 3, [1.0], 1, workers=1)
    assert np.array_equal(x, reduced(REFERENCE, 100, 3, [1.0], 1, workers=2))
    assert np.array_equal(x[:2], reduced(REFERENCE, 100, 2, [1.0], 1))


def test_bad_input():
    for bad in ({"tau": [9.0]}, {"dimension": 1}, {"initial": "x"}, {"runs": 0}):
        with pytest.raises(InputError):
            simulate(REFERENCE, **bad)
    p = Problem.from_tables(
        {
            "target": TARGET,
            "denoiser": {"hidden_units": 2},
            "training": {"times": [0.6], "learning_rate": 0.1, "tau": 1.0},
        }
    )
    with pytest.raises(InputError, match="dimension"):
        simulate(p, dimension=3)
    setup = dataclasses.replace(sgd_problem(REFERENCE, dimension=20), data=np.zeros((5, 20)))
    with pytest.raises(InputError, match="data"):
        Chain(setup, 0)


def _random_times() -> Problem:
    denoiser = {
        "architecture": "untied_bias",
        "hidden_units": 1,
        "skip": 0.3,
        "init": {"centroids": 0.3, "random": 0.4},
    }
    training = {"times": [0.3, 0.7], "average": "random", "learning_rate": 0.2, "weight_decay": 0.5, "tau": 1.0}
    return Problem.from_tables({"target": TARGET, "denoiser": denoiser, "training": training})


@pytest.mark.parametrize(
    "problem",
    [pytest.param(REFERENCE, id="reference"), pytest.param(_random_times(), id="random times", marks=pytest.mark.slow)],
)
@pytest.mark.ci
def test_steps_compiled_for_a_problem_are_the_same_steps(problem):
    """For long trainings the compiler knows network and sizes: nothing else of a step is different."""
    setup = sgd_problem(problem, dimension=10**4)
    general, long = Chain(setup, 3), Chain(setup, 3)
    general._advance, long._advance = steps_of("any"), long.compiled()
    for chain in (general, long):
        chain.advance(300)
    for one, other in ((general.W, long.W), (general.scalars, long.scalars)):
        assert np.allclose(one, other, rtol=0, atol=1e-13)


def test_the_stream_of_the_chain_is_what_it_was():
    """Order parameters after 1000 steps of seed 0 as the loops of 0.2.0.dev0 gave them, before samples were drawn in blocks."""
    chain = Chain(sgd_problem(REFERENCE, dimension=10**6), 0)
    chain.advance(1000)
    theta, q = chain.overlaps()
    former = [[0.3003967115992599, 8.074660406694247e-06], [-1.0032979615748136e-05, -0.30024213390276805]]
    assert np.allclose(theta[0], former, rtol=0, atol=1e-12)
    former = [[0.09026435399892059, -6.027204330303988e-06], [-6.027204330303988e-06, 0.090162011072284]]
    assert np.allclose(q[0], former, rtol=0, atol=1e-12)
    assert np.allclose(chain.scalars, 0.00013998690228776987, rtol=0, atol=1e-12)
