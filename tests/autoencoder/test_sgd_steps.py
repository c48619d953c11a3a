"""SGD in R^d, step by step: against the numerical gradient of the loss on the same samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from scipy import stats

from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.model import streams
from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.autoencoder.process.training.sgd import Trainer
from asymptotics.common.numerics.laws.normals import fill_normals32, philox_key
from derivations.autoencoder.network.denoiser import Denoiser, local_field
from tests.autoencoder.sgd_problems import FOUR_TIMES, named, sample_of, small


def gate(predicts: str = "data") -> Forward:
    """Two terms share a decoder; a product of fields; a trainable scale; one vector is encoder alone."""
    scale = sympy.Symbol("a", real=True)
    u, v, w = (local_field(x) for x in "uvw")
    terms = (("u", scale * u * sympy.tanh(v)), ("u", sympy.erf(v - w)), ("v", sympy.tanh(u + scale)))
    return Forward.of(Denoiser("gate", ("u", "v", "w"), terms, parameters=(scale,), predicts=predicts))


#: f(x) − b x at (W, κ), straight from the definitions.
def tied_by_hand(W, kappa, x):
    d = len(x)
    return sum(w * np.tanh(w @ x / np.sqrt(d)) for w in W) / np.sqrt(d)


def untied_by_hand(W, kappa, x):
    d, r = len(x), len(W) // 2
    return sum(W[k] * np.tanh(W[r + k] @ x / np.sqrt(d) + 0.5) for k in range(r)) / np.sqrt(d)


def untied_bias_by_hand(W, kappa, x):
    d, r = len(x), len(W) // 2
    return sum(W[k] * np.tanh(W[r + k] @ x / np.sqrt(d) + kappa[k]) for k in range(r)) / np.sqrt(d)


def gate_by_hand(W, kappa, x):
    d = len(x)
    u, v, w = W @ x / np.sqrt(d)
    a = kappa[0]
    return (W[0] * (a * u * np.tanh(v) + math.erf(v - w)) + W[1] * np.tanh(u + a)) / np.sqrt(d)


def numerical_gradient(function, x, h=1e-5):
    out = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        out[i] = (function(up) - function(down)) / (2 * h)
    return out


def step_by_hand(problem: SgdProblem, nonlinear, seed, step: int, W, b, kappa):
    """One step of the update rule with central differences of the loss in R^d."""
    d, m = problem.dimension, problem.batch
    samples = [sample_of(problem, seed, step * m + i) for i in range(m)]

    def loss(W, b, kappa):
        total = 0.0
        for x0, x1, chosen in samples:
            for t in range(len(problem.alpha)):
                weight = problem.time_weights[t] if problem.average == "times" else float(t == chosen)
                x = problem.alpha[t] * x0 + problem.beta[t] * x1
                y = problem.y0[t] * x0 + problem.y1[t] * x1
                total += weight * np.sum((y - b * x - nonlinear(W, kappa, x)) ** 2) / m
        return total

    eta = problem.learning_rate * problem.factors(step, 1)[0]
    slope = numerical_gradient(lambda w: loss(w, b, kappa), W)
    after = W - eta * problem.rates[:, None] * (slope + problem.weight_decay / d * W)
    db = numerical_gradient(lambda x: loss(W, x[0], kappa), np.array([b]))[0]
    dkappa = numerical_gradient(lambda k: loss(W, b, k), kappa) if len(kappa) else kappa
    b_after = b - eta * problem.rate_b * problem.denoiser.skip * db / d**2
    return after, b_after, kappa - eta * problem.rate_parameters * dkappa / d


DATA, NOISE = dict(y0=[0.0] * 4, y1=[1.0] * 4), dict(y0=[1.0] * 4, y1=[0.0] * 4)
VELOCITY = dict(y0=[-1.0, -1.2, -0.8, -1.0], y1=[1.0, 0.9, 1.3, 1.1])
CASES = {
    "tied, one time": (lambda: named("tied", 2), tied_by_hand, {}),
    "tied, four times": (lambda: named("tied", 2), tied_by_hand, FOUR_TIMES | DATA),
    "tied, noise": (lambda: named("tied", 3, predicts="noise"), tied_by_hand, FOUR_TIMES | NOISE),
    "no skip": (lambda: named("no_skip", 2), tied_by_hand, FOUR_TIMES | DATA | dict(b=0.0)),
    "untied with a shift": (lambda: named("untied", 1, shift="1/2"), untied_by_hand, FOUR_TIMES | DATA),
    "untied, two units": (lambda: named("untied", 2, shift="1/2"), untied_by_hand, FOUR_TIMES | VELOCITY),
    "trainable bias": (lambda: named("untied_bias", 2), untied_bias_by_hand, FOUR_TIMES | VELOCITY),
    "gate": (gate, gate_by_hand, FOUR_TIMES | VELOCITY),
    "gate, random time": (gate, gate_by_hand, FOUR_TIMES | VELOCITY | dict(average="random")),
    "gate, batch": (gate, gate_by_hand, FOUR_TIMES | VELOCITY | dict(batch=3)),
    "gate, batch and random times": (gate, gate_by_hand, FOUR_TIMES | VELOCITY | dict(batch=3, average="random")),
    "gate, rates": (
        gate, gate_by_hand,
        FOUR_TIMES | VELOCITY
        | dict(rates=[0.5, 0.0, 2.0], rate_b=0.3, rate_parameters=0.7, schedule=lambda tau: np.exp(-3 * tau)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_steps_follow_the_gradient_of_the_loss(case):
    declare, nonlinear, changes = CASES[case]
    problem = small(declare(), **changes)
    trainer = Trainer(problem, seed=3)
    for step in range(3):
        before = (trainer.weights, trainer.b, trainer.parameters)
        expected = step_by_hand(problem, nonlinear, 3, step, *before)
        trainer.advance(1)
        for got, wanted, old in zip((trainer.weights, trainer.b, trainer.parameters), expected, before, strict=True):
            assert np.allclose(got, wanted, rtol=0, atol=1e-7)
            if problem.rates.min() > 0 and np.size(old) and problem.denoiser.skip:
                assert np.all(np.abs(np.asarray(got) - old) > 1e-6)  # the step is no small thing here
    if "rates" in case:
        assert np.array_equal(trainer.weights[1], problem.initial[0][1])


def test_a_finite_number_of_special_directions():
    """An atom of mass 0 (own eigenvalue, as many coordinates as its overlaps need) beside the bulk, from exact overlaps."""
    T = np.array([np.diag([0.0, 0.5]), np.diag([1.0, 0.5])])
    theta = np.array([[[0.0, 0.1], [0.0, -0.2]], [[0.3, 0.0], [0.1, 0.2]]])
    q = np.array([0.4 * np.eye(2), [[0.2, 0.05], [0.05, 0.3]]])
    problem = small(
        named("tied", 2), dimension=12, masses=[1.0, 0.0], reference_overlaps=T, theta=theta, q=q, initial=None,
        eigenvalues=[[1.0, 0.0], [0.5, 4.0], [2.0, 0.3]], **FOUR_TIMES | DATA,
    )  # fmt: skip
    trainer = Trainer(problem, 5)
    assert trainer.counts.tolist() == [8, 4]
    assert np.allclose(trainer.overlaps().q, q, atol=1e-12) and np.allclose(trainer.overlaps().theta, theta, atol=1e-12)
    for step in range(2):
        expected, b, _ = step_by_hand(problem, tied_by_hand, 5, step, trainer.weights, trainer.b, np.empty(0))
        trainer.advance(1)
        assert np.allclose(trainer.weights, expected, rtol=0, atol=1e-7) and abs(trainer.b - b) < 1e-9


def test_clusters_and_times_come_with_their_weights():
    problem = small(named("tied", 2), **FOUR_TIMES | DATA | dict(average="random"))
    clusters, times, _, _ = Trainer(problem, 6).draws.samples(10, 100_000)
    for picks, weights in ((clusters, problem.weights), (times, problem.time_weights)):
        assert stats.chisquare(np.bincount(picks), weights * len(picks)).pvalue > 1e-3
    table = np.histogram2d(clusters, times, bins=[3, 4])[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert np.all(Trainer(small(named("tied", 2)), 6).draws.times(0, 10) == -1)


def test_steps_larger_than_a_block():
    """The same at d = 2500 (blocks of 1024, tiles of 256): one step against the gradient in closed form for r = 1."""
    rng = np.random.default_rng(4)
    d, eta = 2500, 0.2
    problem = SgdProblem(
        named("tied", 1), d, [[2.0], [-1.0]], [0.4], [0.6], [0.0], [1.0], eta, 1.0, weight_decay=0.3, b=0.2,
        initial=(rng.standard_normal((1, d)), rng.standard_normal((1, d)) / 50), dtype="float64",
    )  # fmt: skip
    trainer = Trainer(problem, 11)
    for step in range(2):
        w, b = trainer.weights[0], trainer.b
        x0, x1, _ = sample_of(problem, 11, step)
        x = 0.4 * x0 + 0.6 * x1
        field = w @ x / np.sqrt(d)
        residual = x1 - b * x - w * np.tanh(field) / np.sqrt(d)
        slope = -2 / np.sqrt(d) * (np.tanh(field) * residual + w @ residual / np.sqrt(d) / np.cosh(field) ** 2 * x)
        trainer.advance(1)
        assert np.allclose(trainer.weights[0], w - eta * (slope + 0.3 / d * w), rtol=0, atol=1e-12)
        assert abs(trainer.b - (b + 2 * eta / d**2 * residual @ x)) < 1e-12


def test_samples_of_a_data_set():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((6, 7))
    nonlinear = tied_by_hand
    for order in ("replacement", "permutation"):
        problem = small(named("tied", 2), data=X, data_order=order)
        trainer = Trainer(problem, 8)
        picks = trainer.draws.picks(0, 600)
        assert set(picks) == set(range(6))
        if order == "permutation":
            epochs = picks.reshape(-1, 6)
            assert np.array_equal(np.sort(epochs, axis=1), np.tile(np.arange(6), (100, 1)))
            assert len(np.unique(epochs, axis=0)) > 50
        later = np.concatenate([trainer.draws.picks(k, 7) for k in range(0, 70, 7)])
        assert np.array_equal(later, picks[:70])
        z0 = np.empty(7, np.float32)
        fill_normals32(*philox_key(8), streams.BASE, 0, z0)
        x = 0.3 * z0 + 0.7 * X[picks[0]]
        W, b = trainer.weights, trainer.b

        def loss(w, x=x, b=b, k=picks[0]):
            return np.sum((X[k] - b * x - nonlinear(w, (), x)) ** 2)

        trainer.advance(1)
        expected = W - 0.3 * (numerical_gradient(loss, W) + 0.4 / 7 * W)
        assert np.allclose(trainer.weights, expected, atol=1e-7)
