"""Chains of generations: published numbers, closed forms, the Gaussian special case."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder.collapse.generations import generations
from asymptotics.autoencoder.collapse.latent import GeneratedLaw, GenerationDrift, LatentMoments
from asymptotics.autoencoder.collapse.observables import QUANTITIES
from asymptotics.autoencoder.collapse.replica import Trained, fresh_overlaps
from asymptotics.autoencoder.collapse.result import Collapse
from asymptotics.autoencoder.equations.integration.integrate import SolveError
from asymptotics.autoencoder.generated.density import GeneratedDensity
from asymptotics.autoencoder.kernels.compile import compile_kernels
from asymptotics.autoencoder.model.generations import Generations
from asymptotics.autoencoder.theory import solve
from asymptotics.common.input.checks import InputError


def experiment(**changes):
    keys = {"generations.count": 2, "generations.nodes": 1024}
    return asy.example("model-collapse").replace({**keys, **{k.replace("__", "."): v for k, v in changes.items()}})


@pytest.fixture(scope="module")
def chain() -> Collapse:
    return generations(experiment(generations__nodes=4096).problem, progress=False)


def diagonal(matrix):
    """Of a matrix that is diagonal to the tolerance of its numbers."""
    assert np.max(np.abs(matrix - np.diag(np.diag(matrix)))) < 2e-4
    return np.diag(matrix)


def test_first_generation(chain, reference):
    assert diagonal(chain.Theta[0]) == reference("autoencoder.collapse.Theta_1")
    assert diagonal(chain.Q[0]) == reference("autoencoder.collapse.Q_1")
    assert chain.b[0] == reference("autoencoder.collapse.b_1")
    assert chain.v[0] == reference("autoencoder.collapse.v_1")
    assert chain.Lambda[0] == 1.0


def test_second_generation(chain, reference):
    """The published values come from a few hundred sampled nodes: Θ to the digits given, Q to half a per cent."""
    assert np.diag(chain.Theta[1]) == reference("autoencoder.collapse.Theta_2")
    assert np.diag(chain.Q[1]) == reference("autoencoder.collapse.Q_2")
    for matrix, bound in ((chain.Theta[1], 0.006), (chain.Q[1], 0.035)):
        assert max(abs(matrix[0, 1]), abs(matrix[1, 0])) < bound
    assert chain.b[1] == reference("autoencoder.collapse.b_2")
    assert chain.Lambda[1] == chain.v[0]
    assert chain.error_estimate < 0.01


def test_skip_connection_in_closed_form(chain):
    """b and v close on themselves: b_τ(Λ) and (1 − t_f)^{2(1−b)} step by step."""
    times = np.arange(0.05, 1.0, 0.1)
    Lambda = 1.0
    for g in range(2):
        kappa = Lambda * np.mean(times**2) + np.mean((1 - times) ** 2)
        b = Lambda * np.mean(times) / kappa * (1 - np.exp(-kappa * 4.0))
        v = 1.0
        for k in range(99):
            v *= (1 + 0.01 * (b - 1) / (1 - 0.01 * k)) ** 2
        assert chain.b[g] == pytest.approx(b, abs=3e-6)
        assert chain.v[g] == pytest.approx(v, rel=3e-5)
        Lambda = v


class _Gaussian(GeneratedLaw):
    """A law whose coordinates in the span of the weights are Gaussian with a given covariance."""

    root = np.eye(2)

    def latent(self, x, seed):
        return np.ascontiguousarray(x @ self.root)


def test_gaussian_latents_are_atoms_without_mass():
    """If c is Gaussian, the target is a mixture of one cluster with spikes: the ordinary equations apply."""
    e = experiment()
    problem, spikes = e.problem, np.array([4.0, 0.7])
    first = solve(problem, tolerance=1e-4)
    at = first(4.0)
    # Weights in the span of the two directions exactly: E is then those two directions.
    Q = at.Theta @ at.Theta.T
    at = dataclasses.replace(at, Q=Q, q=Q[None])
    law = _Gaussian.of(problem, at)
    u = law.lift @ at.Theta  # E·u, orthogonal
    np.testing.assert_allclose(u @ u.T, np.eye(2), atol=1e-9)
    object.__setattr__(law, "root", u @ np.diag(np.sqrt(spikes)) @ u.T)
    denoiser = problem.denoiser
    kernels = compile_kernels(denoiser.specification(), denoiser.derived)
    latent = compile_kernels(denoiser.specification(), denoiser.derived, latent=2)
    trained = Trained(at.theta, at.q, at.b, at.parameters, problem.target.reference_overlaps)
    gram = trained.extended(law, 2)
    from scipy.integrate import solve_ivp

    ends = []
    for seed in range(6):
        moments = LatentMoments(problem, latent, law, 2**12, seed)
        drift = GenerationDrift(problem, kernels, [(1.0, moments)], None, gram)
        y0 = drift.layout.pack(*fresh_overlaps(problem, gram), 0.0, np.zeros(0))
        ends.append(solve_ivp(drift, (0, 4.0), y0, method="DOP853", rtol=1e-6, atol=1e-6).y[:, -1])
    theta, q, b, _ = drift.layout.unpack(np.array(ends))
    # The directions lie in the span of E, so that their overlaps are redundant.
    np.testing.assert_allclose(theta[..., :2], theta[..., 2:] @ gram[0][2:, :2], atol=1e-10)
    overlaps_ = np.zeros((3, 2, 2))
    overlaps_[0, 0, 0] = overlaps_[1, 1, 1] = 1.0
    spiked = e.replace(
        target={
            "weights": [1.0],
            "centroids": [[0.0, 0.0]],
            "eigenvalues": [[*spikes, law.variance]],
            "masses": [0.0, 0.0, 1.0],
            "reference_overlaps": overlaps_.tolist(),
        }
    )
    start = np.zeros((3, 2, 2))
    start[0, :, 0], start[1, :, 1] = [0.3, 0.0], [0.0, -0.3]
    spiked = spiked.replace(
        denoiser={"init": {"centroids": 0.0, "Theta": start.tolist(), "Q": (start @ np.swapaxes(start, 1, 2)).tolist()}}
    )
    expected = solve(spiked.problem, tolerance=1e-4)(4.0)
    for values, exact in ((theta.sum(axis=1)[..., :2], expected.Theta), (q.sum(axis=1), expected.Q)):
        sem = values.std(axis=0, ddof=1) / np.sqrt(6)
        assert np.all(sem < 3e-3)
        np.testing.assert_array_less(np.abs(values.mean(axis=0) - exact), 5 * sem + 2e-4)
    np.testing.assert_allclose(b, expected.b, atol=1e-6)


def test_original_data_alone_repeats_the_first_generation():
    result = generations(experiment(generations__original=1.0).problem, progress=False)
    for name in ("Q", "Theta", "b", "v", "Lambda", "mean", "covariance"):
        value = getattr(result, name)
        np.testing.assert_allclose(value[1], value[0], atol=5 * result.error_estimate + 1e-3)


def test_mixing_interpolates_the_bulk():
    result = generations(experiment(generations__original=0.25, generations__replicas=2).problem, progress=False)
    assert result.Lambda[1] == pytest.approx(0.25 + 0.75 * result.v[0], rel=1e-12)
    assert result.v[1] > 5 * 0.000228


@pytest.mark.ci
def test_accumulating_keeps_equal_shares():
    settings = Generations(count=4, accumulate=True)
    np.testing.assert_allclose(settings.shares(4), [0.25, 0.25, 0.25, 0.25])
    np.testing.assert_allclose(Generations(accumulate=True, original=0.5).shares(3), [2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(Generations(original=0.2).shares(3), [0.2, 0.0, 0.8])
    result = generations(
        experiment(generations__accumulate=True, generations__count=3, generations__replicas=2).problem, progress=False
    )
    assert result.Lambda[2] == pytest.approx((1 + result.v[0] + result.v[1]) / 3, rel=1e-12)


def test_warm_start_goes_on_from_the_trained_network():
    warm = experiment(generations__start="warm", training__tau=2.0, generations__replicas=2)
    result = generations(warm.problem, progress=False)
    Lambda, times = result.Lambda[1], np.arange(0.05, 1.0, 0.1)
    kappa = Lambda * np.mean(times**2) + np.mean((1 - times) ** 2)
    limit = Lambda * np.mean(times) / kappa
    assert result.b[1] == pytest.approx(limit + (result.b[0] - limit) * np.exp(-2 * kappa), abs=3e-6)
    # Without any training nothing changes.
    still = generations(
        warm.replace({"training.rates": {"w": 0.0, "b": 0.0}, "denoiser.skip": 0.5}).problem, progress=False
    )
    np.testing.assert_allclose(still.Q[1], still.Q[0], atol=1e-12)
    np.testing.assert_allclose(still.Theta[1], still.Theta[0], atol=1e-12)


@pytest.mark.ci
def test_several_atoms_with_random_start():
    """Two atoms of one eigenvalue are one atom."""
    one = experiment(denoiser__init={"centroids": 0.1, "random": 0.5}, generations__replicas=2)
    two = one.replace({"target.eigenvalues": [[1.0, 1.0]], "target.masses": [0.25, 0.75], "generations.original": 0.2})
    one = one.replace({"generations.original": 0.2})
    a, b = generations(one.problem, progress=False), generations(two.problem, progress=False)
    for name in ("Q", "Theta", "b", "v", "covariance"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=2e-3)


@pytest.mark.ci
def test_representable_target_is_a_fixed_point():
    """A linear network whose target has variance Λ outside the span and s² inside, both fixed points of Λ → v(b(Λ)).

    At η → 0 the network converges to the regression coefficient of every direction: b outside, b + Q along e₁.
    """
    t = 0.6

    def regression(x):
        return x * t / (x * t**2 + (1 - t) ** 2)

    # t_f makes Λ = .1 a fixed point, (1 − t_f)^{2(1−b(x))} = x; its partner is larger.
    Lambda = 0.1
    stop = 1 - Lambda ** (1 / (2 * (1 - regression(Lambda))))
    from scipy.optimize import brentq

    def excess(x):
        return 2 * (1 - regression(x)) * np.log(1 - stop) - np.log(x)

    spike = brentq(excess, 0.5, 50.0)
    overlaps_ = np.zeros((2, 1, 1))
    overlaps_[1, 0, 0] = 1.0
    start = np.zeros((2, 1, 1))
    start[1, 0, 0] = 0.5
    e = asy.Experiment(
        target={
            "weights": [1.0],
            "centroids": [[0.0]],
            "eigenvalues": [[Lambda, spike]],
            "masses": [1.0, 0.0],
            "reference_overlaps": overlaps_.tolist(),
        },
        denoiser={
            "architecture": "linear",
            "hidden_units": 1,
            "init": {"Theta": start.tolist(), "Q": (start**2).tolist()},
        },
        training={"times": [t], "learning_rate": 1e-9, "tau": 120.0},
        sampling={"scheme": "continuous", "stop": float(stop)},
        generations={"count": 2, "nodes": 64, "replicas": 2},
    )
    result = generations(e.problem, progress=False, tolerance=1e-8, integrator_tolerance=1e-9)
    np.testing.assert_allclose(result.b, regression(Lambda), atol=1e-6)
    np.testing.assert_allclose(result.Q[:, 0, 0], regression(spike) - regression(Lambda), atol=1e-6)
    np.testing.assert_allclose(result.v, Lambda, atol=1e-6)
    np.testing.assert_allclose(result.Lambda, Lambda, atol=1e-6)
    np.testing.assert_allclose(result.covariance[:, 0, 0], spike, rtol=1e-5)
    np.testing.assert_allclose(result.bulk_distance, 0.0, atol=1e-6)
    assert np.all(result.distance < 0.01)


@pytest.mark.parametrize("activation", ["tanh", pytest.param("relu", marks=pytest.mark.slow)])
@pytest.mark.ci
def test_doubling_the_nodes_moves_less_than_the_stated_error(activation):
    coarse = generations(experiment(generations__nodes=512, denoiser__activation=activation).problem, progress=False)
    other = experiment(generations__nodes=1024, denoiser__activation=activation, generations__seed=9)
    fine = generations(other.problem, progress=False)
    for name in QUANTITIES:
        moved = np.abs(getattr(coarse, name) - getattr(fine, name))
        stated = getattr(coarse, f"error_{name}") + getattr(fine, f"error_{name}")
        assert np.all(moved <= stated + 1e-9), name
    assert fine.error_estimate < coarse.error_estimate < 0.3


def test_answer_does_not_depend_on_workers():
    problem = experiment(generations__nodes=64, generations__replicas=2).problem
    a, b = generations(problem, workers=1, progress=False), generations(problem, workers=2, progress=False)
    np.testing.assert_array_equal(a.Q, b.Q)
    np.testing.assert_array_equal(a.distance, b.distance)


@pytest.mark.ci
def test_noisy_sampler_states_a_larger_error():
    keys = {"generations__nodes": 256, "generations__replicas": 2}
    quiet = generations(experiment(**keys).problem, progress=False)
    noisy = generations(experiment(**keys, sampling__epsilon="0.3*(1 - t)").problem, progress=False)
    assert (
        noisy.Lambda[1]
        == GeneratedDensity(experiment(sampling__epsilon="0.3*(1 - t)").problem, noisy.order_parameters(1)).variance
    )
    assert noisy.error_estimate > quiet.error_estimate


@pytest.mark.ci
def test_divergence_carries_the_chain_so_far():
    """A single late time makes generated samples spread, until a generation's SGD is unstable (η Λ is too large)."""
    unstable = experiment(
        training__times=[0.7],
        training__learning_rate=0.5,
        sampling__stop=0.9999,
        generations__count=6,
        generations__nodes=64,
        generations__replicas=2,
        denoiser__architecture="linear",
    )
    with pytest.raises(SolveError, match="generation") as caught:
        generations(unstable.problem, progress=False)
    assert 1 <= caught.value.partial.count < 6


def test_json_and_files(chain, tmp_path):
    payload = json.loads(json.dumps(chain.to_json()))
    assert len(payload["generations"]) == 2
    for row in payload["generations"]:
        assert {"Lambda", "b", "Q", "Theta", "v", "mean", "covariance", "distance", "error"} <= set(row)
    again = Collapse.load(chain.save(tmp_path / "chain.npz"))
    np.testing.assert_array_equal(again.Q, chain.Q)
    np.testing.assert_allclose(again.density(2).variance, chain.v[1], rtol=1e-4)
    assert "generation 2" in chain.summary()


@pytest.mark.ci
def test_moments_and_distance_agree_with_the_density(chain):
    """Mean, covariance and sliced distance from an independent sample of the generated law."""
    law = chain.density(2)
    points = law.sample(200_000, 11)
    np.testing.assert_allclose(points.mean(axis=0), chain.mean[1], atol=0.02)
    np.testing.assert_allclose(np.cov(points.T), chain.covariance[1], atol=0.05)
    problem = experiment().problem
    rng = np.random.default_rng(2)
    cluster = rng.choice(3, p=problem.target.weights, size=200_000)
    target = problem.target.centroids[cluster] + rng.standard_normal((200_000, 2))
    from asymptotics.common.numerics.distances.gaussians import sliced_wasserstein

    assert sliced_wasserstein(points, target) == pytest.approx(chain.distance[1], abs=0.01)


def test_python_interface():
    by_table = asy.generations("model-collapse", count=1, seed=4, progress=False)
    assert by_table.count == 1 and by_table.experiment["generations"]["seed"] == 4
    with pytest.raises(InputError, match="collapse: the system one_step has no such verb"):
        asy.generations("one-step")
