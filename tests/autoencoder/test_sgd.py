"""SGD in R^d: what whole runs must do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.autoencoder.process.training.sgd import SgdState, Trainer, one_run, prepare, train
from asymptotics.common.input.checks import InputError
from asymptotics.common.running.ensembles import run_ensemble, spawn
from derivations.autoencoder.network.denoiser import Denoiser, local_field
from tests.autoencoder.sgd_problems import FOUR_TIMES, named, sample_of, three_clusters

DATA, NOISE = dict(y0=[0.0] * 4, y1=[1.0] * 4), dict(y0=[1.0] * 4, y1=[0.0] * 4)
VELOCITY = dict(y0=[-1.0, -1.2, -0.8, -1.0], y1=[1.0, 0.9, 1.3, 1.1])


@pytest.fixture
def limit(reference) -> np.ndarray:
    """M₁₁, M₂₂, Q₁₁, Q₂₂, b at τ = 4."""
    return reference.value("autoencoder.three_clusters.end")


def final(runs) -> np.ndarray:
    rows = [(r["M"][-1, 0, 0], r["M"][-1, 1, 1], r["Q"][-1, 0, 0], r["Q"][-1, 1, 1], r["b"][-1]) for r in runs]
    return np.array(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_three_clusters_reach_the_known_order_parameters(dtype, limit, reference):
    d, n = 500, 40
    problem = three_clusters(d, dtype=dtype)
    runs = [one_run(s, problem, [0.0, 4.0]) for s in spawn(1, n)]
    assert all(np.allclose(r["M"][0, 0, 0], 0.9, atol=1e-6) for r in runs)
    values = final(runs)
    error = values.std(axis=0, ddof=1) / np.sqrt(n)
    assert np.all(np.abs(values.mean(axis=0) - limit) < 3 * error + 5 / d * limit)
    # The bars themselves: a run at d scatters as √(1000/d) × the known spread, known to 1/√(2·40) each way.
    ratio = values[:, :4].std(axis=0, ddof=1) * np.sqrt(d / 1000)
    ratio /= reference.value("autoencoder.three_clusters.spread")
    assert np.all((ratio > 0.6) & (ratio < 1.6))


@pytest.mark.slow
def test_the_gap_to_the_limit_falls_as_one_over_d(limit):
    """d × (mean − limit) is the same at d = 250 and d = 2000 within the bars."""
    gaps = []
    for d, n in ((250, 1600), (2000, 200)):
        values = final([one_run(s, three_clusters(d)) for s in spawn(2, n)])
        gaps.append((d * (values.mean(axis=0) - limit), d * values.std(axis=0, ddof=1) / np.sqrt(n)))
    (small_d, small_error), (large_d, large_error) = gaps
    assert np.all(np.abs(small_d - large_d) < 4 * np.hypot(small_error, large_error) + 0.1 * np.abs(small_d))


def test_single_and_double_precision_agree():
    a, b = (train(three_clusters(1000, dtype=t), 5, [1.0, 4.0]) for t in ("float32", "float64"))
    for name in ("Q", "Theta", "M", "b"):
        assert np.abs(getattr(a, name) - getattr(b, name)).max() < 1e-5, name
    assert np.abs(a.weights - b.weights).max() < 1e-4


def test_untied_with_a_shift_reaches_the_known_order_parameters(reference):
    """Weights (.7, .3), centroids 2 and −1, η = .2, λ = .3, t = .7, bias ½ (known to ±1e-3)."""
    d, n = 1000, 24
    problem = SgdProblem(
        named("untied", 1, shift="1/2"), d, [[2.0], [-1.0]], [0.3], [0.7], [0.0], [1.0], 0.2, 3.0, weights=[0.7, 0.3],
        weight_decay=0.3, theta=[[[0.2], [0.6]]], q=[[[0.3, 0.1], [0.1, 0.5]]], b=0.1,
    )  # fmt: skip
    runs = [one_run(s, problem) for s in spawn(0, n)]
    rows = [(*r["Theta"][-1, :, 0], *r["Q"][-1][np.triu_indices(2)], r["b"][-1]) for r in runs]
    values, known = np.array(rows), reference.value("autoencoder.untied.end")
    error = values.std(axis=0, ddof=1) / np.sqrt(n)
    assert np.all(np.abs(values.mean(axis=0) - known) < 3 * error + 1e-3 + 5 / d * known)


@pytest.mark.parametrize("target", [DATA, NOISE, VELOCITY], ids=["data", "noise", "velocity"])
def test_skip_connection_alone_has_an_exact_mean(target):
    """Without weights the network is b x: E b_n follows a linear recursion at any finite d (b_n and sample n independent)."""
    d, eta, steps = 40, 0.3, 100
    masses, eigenvalues = np.array([0.25, 0.75]), np.array([[2.0, 0.5], [0.1, 1.0]])
    c = np.array([[1.5, 0.3], [-0.7, 1.1]])
    zero = dict(theta=np.zeros((2, 2, 2)), q=np.zeros((2, 2, 2)))
    times = dict(FOUR_TIMES) | target
    problem = SgdProblem(
        named("tied", 2), d, c, learning_rate=eta, tau=2 * eta * steps / d, weights=[0.3, 0.7], masses=masses,
        eigenvalues=eigenvalues, b=0.8, weight_decay=0.2, **zero, **times,
    )  # fmt: skip
    # E‖x₁‖²: T(s) = p_s I, so ‖μ(c)‖² = ‖c‖².
    second = np.array([0.3, 0.7]) @ ((c**2).sum(axis=1) + d * eigenvalues @ masses)
    a, beta, w, y0, y1 = (np.array(times[k]) for k in ("alpha", "beta", "time_weights", "y0", "y1"))
    rate = 2 * eta / d**2 * np.sum(w * (beta**2 * second + a**2 * d))
    push = 2 * eta / d**2 * np.sum(w * (beta * y1 * second + a * y0 * d))
    expected = 0.8
    for _ in range(steps):
        expected += push - rate * expected
    runs = [train(problem, s) for s in spawn(3, 400)]
    b = np.array([r.b[-1] for r in runs])
    assert np.abs(b.mean() - expected) < 4 * b.std(ddof=1) / 20
    assert all(np.all(r.weights == 0) for r in runs)
    assert abs(expected - 0.8) > 20 * b.std(ddof=1) / 20


def test_weight_decay_is_not_rounded_away():
    """φ ≈ 0: W decays by (1 − ηλ/d) a step, a factor that single precision cannot hold, over many steps and far down."""
    forward = Forward.of(Denoiser("nothing", ("w",), (("w", local_field("w") / 10**30),)))
    d, eta, decay, tau = 16, 4e-6, 7.0, 0.5
    W = np.random.default_rng(0).standard_normal((1, d))
    problem = SgdProblem(
        forward, d, [[1.0]], [0.3], [0.7], [0.0], [1.0], eta, tau, weight_decay=decay, initial=(W, np.ones((1, d)))
    )
    run = train(problem, 0)
    assert problem.steps == 1_000_000
    assert np.allclose(run.weights / W, np.exp(-decay * tau / 2), rtol=2e-6)
    # Far down, through the powers of two that keep the factor in range.
    fast = SgdProblem(
        forward, d, [[1.0]], [0.3], [0.7], [0.0], [1.0], 0.1, 5.0, weight_decay=20.0, initial=(W, np.ones((1, d)))
    )
    assert np.allclose(train(fast, 0).weights / W / (1 - 0.1 * 20 / d) ** fast.steps, 1, rtol=1e-6)


def test_answer_depends_on_no_chunk_and_no_worker():
    problem = three_clusters(300)
    prepare(problem)
    whole = train(problem, 9, [0.5, 4.0])
    for chunk in (1, 7, 1000):
        run = train(problem, 9, [0.5, 4.0], chunk=chunk)
        for name in ("Q", "Theta", "b", "weights"):
            assert np.array_equal(getattr(run, name), getattr(whole, name))
    seeds = spawn(4, 3)
    one, two = (run_ensemble(one_run, seeds, problem, [4.0], True, workers=w, progress=False) for w in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(one[0]["Q"], one[1]["Q"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [None, "permutation"])
@pytest.mark.ci
def test_resume_is_bit_for_bit(tmp_path, dtype, order):
    options = {} if order is None else dict(data=np.random.default_rng(0).standard_normal((37, 200)), data_order=order)
    problem = three_clusters(200, dtype=dtype, batch=2, **options)
    taus = [0.0, 0.3, 2.0, 4.0]
    whole = train(problem, 1, taus)
    path = tmp_path / "checkpoint.npz"

    def stop(done: int, total: int) -> None:
        assert total == problem.steps
        if done >= 1500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(problem, 1, taus, progress=stop, chunk=100, checkpoint=path)
    assert 0 < SgdState.load(path).step < problem.steps
    assert [f.name for f in tmp_path.iterdir()] == [path.name]
    resumed = train(problem, 1, taus, checkpoint=path, chunk=33)
    for name in ("tau", "steps", "Q", "Theta", "M", "q", "theta", "b", "weights", "references", "counts"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name)), name
    other = tmp_path / "longer.npz"
    train(dataclasses.replace(problem, tau=2.0), 1, [0.0, 0.3, 2.0], checkpoint=other)
    longer = train(problem, 1, taus, checkpoint=other)
    assert np.array_equal(longer.Q, whole.Q) and np.array_equal(longer.weights, whole.weights)
    with pytest.raises(InputError, match="another problem or seed"):
        train(problem, 2, taus, checkpoint=path)
    with pytest.raises(InputError, match="another problem or seed"):
        train(three_clusters(200, dtype=dtype, batch=1, **options), 1, taus, checkpoint=path)
    with pytest.raises(InputError, match="behind the checkpoint"):
        train(problem, 1, [1.0], checkpoint=path)


def test_path_of_a_run():
    problem = three_clusters(100, masses=[0.7, 0.3], theta=None, q=None, start=([[0.3, 0.0], [0.0, -0.3]], 0.2))
    run = train(problem, 0, [0.0, 1.0, 4.0])
    assert run.tau.tolist() == [0.0, 1.0, 4.0] and run.q.shape == (3, 2, 2, 2) and run.M.shape == (3, 2, 3)
    assert np.allclose(run.q.sum(axis=1), run.Q) and np.allclose(run.Q[-1], run.weights @ run.weights.T / 100)
    assert np.allclose(run.Theta[-1], run.weights @ run.references.T / 10)


def test_a_hundred_steps_of_the_direct_process():
    """W = S V against the update rule itself, W kept in double: learning rate and decay so large that S is folded into V."""
    rng = np.random.default_rng(8)
    d, eta, lam, alpha, beta = 60, 0.5, 3.0, 0.4, 0.6
    for p, frozen in ((2, None), (3, 1)):
        rates = np.ones(p)
        if frozen is not None:
            rates[frozen] = 0.0
        W = rng.standard_normal((p, d))
        problem = SgdProblem(
            named("tied", p), d, [[2.0, 0.0], [0.0, -1.0], [1.0, 1.0]], [alpha], [beta], [0.0], [1.0], eta, 1.0,
            weight_decay=lam, b=0.2, initial=(W.copy(), rng.standard_normal((2, d)) / 8), dtype="float64", rates=rates,
        )  # fmt: skip
        trainer, b, folded = Trainer(problem, 5), 0.2, 0
        for step in range(100):
            x0, x1, _ = sample_of(problem, 5, step)
            x = alpha * x0 + beta * x1
            field = W @ x / np.sqrt(d)
            phi = np.tanh(field)
            residual = x1 - b * x - phi @ W / np.sqrt(d)
            slope = np.outer(phi, residual) + np.outer((W @ residual) / np.sqrt(d) * (1 - phi**2), x)
            W = W + eta * rates[:, None] * (2 / np.sqrt(d) * slope - lam / d * W)
            b += 2 * eta / d**2 * residual @ x
            before = trainer._mixing.copy()
            trainer.advance(1)
            folded += np.array_equal(trainer._mixing, np.eye(p)) and not np.array_equal(before, np.eye(p))
            assert np.allclose(trainer.weights, W, rtol=0, atol=1e-9) and abs(trainer.b - b) < 1e-9
        assert folded >= 1
