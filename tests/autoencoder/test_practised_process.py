"""Denoisers and training as practised, in R^d: every step against plain NumPy on the same samples, coordinate by coordinate.

The network is a plain function here, its slopes are complex steps, the loss's gradient is written out in R^d, and the optimisers are
their textbook recursions: nothing of what the package derives or compiles.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sympy

from asymptotics.autoencoder.finite_size.reduced_chain import trajectory
from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.model import streams
from asymptotics.autoencoder.process.training import draws
from asymptotics.autoencoder.process.training.optimiser import Optimiser
from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.autoencoder.process.training.sgd import Trainer, one_run, train
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.normals import fill_normals32, philox_key
from asymptotics.common.running.ensembles import run_ensemble, spawn
from derivations import label, schedule
from derivations.autoencoder.network.denoiser import Denoiser, local_field

TIMES = np.array([0.25, 0.5, 0.8])
CLOCK = np.stack([1 - TIMES, TIMES, -np.ones(3), np.ones(3), TIMES])
U, V, G = (local_field(x) for x in "uvg")


def scaled_by_hand(omega, kappa, now, hot):
    alpha, beta = now[:2]
    scale = (alpha**2 + beta**2) ** -0.5
    bias = hot[0] * kappa[0] + hot[1] * kappa[1]
    return np.stack(
        [alpha * np.tanh(scale * omega[0] + bias), now[4] ** 2 * omega[1] * np.tanh(omega[0] * beta - kappa[1])]
    )


def conditioned() -> Forward:
    """The time in every way, a label's bias, two skips beside a fixed one; one vector is decoder and encoder."""
    a, b, t = schedule.alpha, schedule.beta, schedule.t
    k = sympy.symbols("k_1:3", real=True)
    bias = label(0) * k[0] + label(1) * k[1]
    terms = (("u", a * sympy.tanh(U / sympy.sqrt(a**2 + b**2) + bias)), ("v", t**2 * V * sympy.tanh(U * b - k[1])))
    return Forward.of(
        Denoiser(
            "conditioned", ("u", "v"), terms, k, predicts="velocity", labels=2, skip_fixed=b / (a**2 + b**2),
            skip_basis=(sympy.Integer(1), t * schedule.alpha_dot),
        )
    )  # fmt: skip


def skips_by_hand(now):
    alpha, beta, alpha_dot, _, t = now
    return beta / (alpha**2 + beta**2), np.array([np.ones_like(t), t * alpha_dot])


def gates_by_hand(omega, kappa, now, hot):
    return np.stack([hot[0] * np.tanh(omega[2]), hot[1] * np.tanh(omega[2]), (1 - hot[0] - hot[1]) * np.tanh(omega[2])])


def gates() -> Forward:
    """A decoder for each label and one for none."""
    free = 1 - label(0) - label(1)
    phi = sympy.tanh(G)
    terms = (("u", label(0) * phi), ("v", label(1) * phi), ("n", free * phi))
    return Forward.of(Denoiser("gates", ("u", "v", "g", "n"), terms, labels=2))


NETWORKS = {
    "conditioned": (conditioned, scaled_by_hand, (0, 1), skips_by_hand),
    "gates": (gates, gates_by_hand, (0, 1, 3), lambda now: (0.0, np.ones(1))),
}


class ByHand:
    """What SGD at R^d does, with the samples of the package's documented streams and nothing else of it."""

    def __init__(self, problem: SgdProblem, network: str, seed: int) -> None:
        _, self.phi, self.decoders, self.skips = NETWORKS[network]
        self.problem, self.seed = problem, seed
        self.W, self.b, self.kappa = problem.initial[0].copy(), problem.b.copy(), problem.parameters.copy()
        self.velocity = [np.zeros_like(x) for x in (self.W, self.b, self.kappa)]
        self.averages = [[x.copy() for x in (self.W, self.b, self.kappa)] for _ in problem.optimiser.averages]

    def sample(self, number: int):
        problem, key = self.problem, philox_key(self.seed)
        d, pick = problem.dimension, np.empty(1, np.int64)
        z0, z1 = np.empty(d, np.float32), np.empty(d, np.float32)
        fill_normals32(*key, streams.BASE, number, z0)
        fill_normals32(*key, streams.TARGET, number, z1)

        def draw(stream, weights):
            draws.choose(*key, stream, number, np.cumsum(weights), pick)
            return int(pick[0])

        cluster = draw(streams.CLUSTER, problem.weights)
        spread = np.sqrt(np.repeat(problem.eigenvalues[cluster], problem.initial[2]))
        hot = np.zeros(2)
        if draw(streams.LABEL, [problem.label_dropout, 1 - problem.label_dropout]):
            hot[problem.labels[cluster]] = 1.0
        return (
            z0.astype(float),
            problem.centroids[cluster] @ problem.initial[1] + spread * z1,
            hot,
            draw(streams.TIME, problem.time_weights),
        )

    def gradient(self, step: int):
        """−½ of the loss's gradients by W, b, κ."""
        problem, d, h = self.problem, self.problem.dimension, 1e-20
        out = [np.zeros_like(x) for x in (self.W, self.b, self.kappa)]
        clocks = problem.clocks(step, 1)[0]
        for i in range(problem.batch):
            x0, x1, hot, drawn = self.sample(step * problem.batch + i)
            for m in range(clocks.shape[1]):
                weight = clocks[7, m] / problem.batch
                weight *= problem.time_weights[m] if problem.average == "times" else float(m == drawn)
                now = clocks[:5, m]
                x = now[0] * x0 + now[1] * x1
                y0, y1 = (now[2], now[3]) if len(self.b) > 1 else (0.0, 1.0)
                omega = self.W @ x / np.sqrt(d)
                fixed, psi = self.skips(now)
                u = self.W[list(self.decoders)]
                values = self.phi(omega, self.kappa, now, hot)
                e = y0 * x0 + y1 * x1 - (fixed + self.b @ psi) * x - values @ u / np.sqrt(d)
                back = u @ e / np.sqrt(d)
                for j, a in enumerate(self.decoders):
                    out[0][a] += weight * values[j] * e / np.sqrt(d)
                for a in range(len(omega)):
                    moved = omega + 1j * h * (np.arange(len(omega)) == a)
                    out[0][a] += weight * back @ self.phi(moved, self.kappa, now, hot).imag / h * x / np.sqrt(d)
                for k in range(len(self.kappa)):
                    moved = self.kappa + 1j * h * (np.arange(len(self.kappa)) == k)
                    out[2][k] += weight * back @ self.phi(omega, moved, now, hot).imag / h
                out[1] += weight * psi * (e @ x)
        return out

    def step(self, n: int) -> None:
        problem, d = self.problem, self.problem.dimension
        eta = problem.learning_rate
        middle = np.array([2 * eta * (n + 0.5) / d])
        s, decay = problem.factors(n, 1)[0], problem.decays(n, 1)[0]
        gw, gb, gk = self.gradient(n)
        dw = 2 * eta * s * problem.rates[:, None] * gw
        db, dk = 2 * eta * s * problem.rate_b / d**2 * gb, 2 * eta * s * problem.rate_parameters / d * gk
        shrink = -eta * s * problem.rates[:, None] * decay / d * self.W
        old = [self.W, self.b, self.kappa]
        if problem.optimiser.momentum:
            self.velocity = [
                problem.optimiser.momentum * v + x for v, x in zip(self.velocity, (dw + shrink, db, dk), strict=True)
            ]
            new = [x + v for x, v in zip(old, self.velocity, strict=True)]
        elif problem.optimiser.heavy_ball:
            friction, gain = problem.optimiser.heavy_ball
            new = [self.W + shrink + 2 * eta * gain / d * self.velocity[0], self.b + db, self.kappa + dk]
            self.velocity[0] = (1 - 2 * eta * friction / d) * self.velocity[0] + dw
        elif problem.optimiser.linear_map:
            R, A = (
                np.array([[float(x(middle)[0]) if callable(x) else x for x in row] for row in table])
                for table in problem.optimiser.linear_map
            )
            new = [self.W + R @ dw + 2 * eta / d * A @ self.W, self.b + db, self.kappa + dk]
        else:
            new = [self.W + dw + shrink, self.b + db, self.kappa + dk]
        for gamma, average in zip(problem.optimiser.averages, self.averages, strict=True):
            share = min(1.0, 2 * eta / d * (float(gamma(middle)[0]) if callable(gamma) else gamma))
            average[:] = [x + share * (y - x) for x, y in zip(average, old, strict=True)]
        self.W, self.b, self.kappa = new


class Power:
    """(1 + k)/τ."""

    def __init__(self, k: float) -> None:
        self.text, self.k = f"power {k}", k

    def __call__(self, tau):
        return (1 + self.k) / tau


class Falling:
    """A function of τ that travels to other processes."""

    text = "0.5/(1 + tau)"

    def __call__(self, tau):
        return 0.5 / (1 + tau)


class Moving:
    """One time along τ: α, β, α̇, β̇, t, y₀, y₁, w, s₀, ψ₁, ψ₂."""

    text = "0.3 + tau/2"

    def __call__(self, tau):
        t = 0.3 + tau / 2
        one = np.ones_like(t)
        fixed, psi = skips_by_hand(np.stack([1 - t, t, -one, one, t]))
        return np.stack([1 - t, t, -one, one, t, -one, one, 1 + t, fixed, psi[0] * one, psi[1]])[:, :, None]


def small(network: str, **changes) -> SgdProblem:
    """d = 9, two atoms, three clusters with two labels, nothing special about any number."""
    rng = np.random.default_rng(0)
    forward = NETWORKS[network][0]()
    p = forward.vectors
    skips = 1 + (network == "conditioned")
    target = dict(y0=np.zeros(3), y1=np.ones(3))
    if network == "conditioned":
        fixed, psi = skips_by_hand(CLOCK)
        target = dict(y0=-np.ones(3), y1=np.ones(3), skips=[fixed, *psi])
    options = dict(
        dimension=9, centroids=[[1.5, 0.3], [-0.7, 1.1], [0.2, -2.0]], weights=[0.5, 0.3, 0.2], masses=[0.6, 0.4],
        eigenvalues=[[1.0, 0.3], [0.5, 2.0], [0.2, 1.4]], alpha=CLOCK[0], beta=CLOCK[1], clock=CLOCK[2:], learning_rate=0.3,
        tau=1.0, weight_decay=0.4, b=rng.standard_normal(skips), labels=[0, 1, 0], label_dropout=0.3,
        time_weights=[0.5, 0.2, 0.3], initial=(rng.standard_normal((p, 9)), rng.standard_normal((2, 9))),
        parameters=rng.standard_normal(forward.parameters), dtype="float64",
    ) | target | changes  # fmt: skip
    given = {f.name: options.pop(f.name) for f in dataclasses.fields(Optimiser) if f.name in options}
    return SgdProblem(forward, optimiser=Optimiser(**given), **options)


BALL = dict(heavy_ball=(2.0, 1.5))
R = [[0.2, 0.0, 0.0, 0.3], [0.0, 1.0, 0.0, 0.0], [Falling(), 0.0, 1.0, 0.0], [0.0, 0.0, -0.4, 0.7]]
A = [[-0.3, 0.0, 0.0, 1.0], [0.0, 0.0, Falling(), 0.0], [0.0, 0.4, 0.0, 0.0], [0.0, 0.0, 0.0, -0.6]]
CASES = {
    "plain": ("conditioned", {}),
    "gates": ("gates", {}),
    "weights of the loss": ("conditioned", dict(gains=[2.0, 0.0, 0.7])),
    "random times": ("conditioned", dict(average="random", gains=[2.0, 0.5, 0.7], batch=2)),
    "always dropped": ("gates", dict(label_dropout=1.0)),
    "never dropped": ("gates", dict(label_dropout=0.0, batch=3)),
    "averages": ("conditioned", dict(averages=(1.0, Power(3.0), 40.0))),
    "momentum": ("conditioned", dict(momentum=0.8, rates=[0.5, 1.5], rate_b=0.3, schedule=lambda tau: np.exp(-tau))),
    "momentum, averages": ("gates", dict(momentum=0.5, averages=(2.0, Falling()), weight_decay=Falling(), batch=2)),
    "heavy ball": ("conditioned", BALL | dict(schedule=lambda tau: np.exp(-tau), rates=[1.0, 0.0])),
    "heavy ball, averages": ("gates", BALL | dict(averages=(2.0,), weight_decay=Falling())),
    "a map of one's own": ("gates", dict(linear_map=(R, A), weight_decay=0.0, averages=(1.5,))),
    "a moving time": (
        "conditioned",
        {key: [0.0] for key in ("alpha", "beta", "y0", "y1")}
        | dict(moving=Moving(), skips=np.zeros((1, 1)), clock=None, time_weights=None, weight_decay=Falling()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.ci
def test_every_step_is_that_of_the_loss_in_numpy(case):
    network, changes = CASES[case]
    problem = small(network, **changes)
    trainer, hand = Trainer(problem, 3), ByHand(problem, network, 3)
    for n in range(12):
        trainer.advance(1)
        hand.step(n)
    p, stack = problem.denoiser.vectors, trainer.stack
    assert np.allclose(trainer.weights, hand.W, rtol=0, atol=1e-9)
    assert np.abs(trainer.weights - problem.initial[0]).max() > 0.05  # the steps are no small thing here
    n = len(problem.b)
    assert np.allclose(trainer._scalars[0], [*hand.b, *hand.kappa], rtol=0, atol=1e-10)
    if problem.optimiser.momentum or problem.optimiser.heavy_ball:
        assert np.allclose(trainer.stacked[p : 2 * p], hand.velocity[0], rtol=0, atol=1e-9)
    if problem.optimiser.momentum:
        assert np.allclose(trainer._scalars[1], np.concatenate(hand.velocity[1:]), rtol=0, atol=1e-10)
    for part, row, average in zip(stack.averages, stack.scalar_averages, hand.averages, strict=True):
        assert np.allclose(trainer.stacked[part], average[0], rtol=0, atol=1e-9)
        assert np.allclose(trainer._scalars[row, :n], average[1], rtol=0, atol=1e-10)
        assert np.allclose(trainer._scalars[row, n:], average[2], rtol=0, atol=1e-10)


@pytest.mark.ci
def test_averages_and_labels_depend_on_no_chunk_and_resume_bit_for_bit(tmp_path):
    problem = small("conditioned", averages=(1.0, Power(2.0)), momentum=0.6, tau=20.0, batch=2)
    whole = train(problem, 5, [0.0, 8.0, 20.0])
    names = (
        "Q",
        "Theta",
        "b",
        "parameters",
        "weights",
        "stacked_Q",
        "stacked_b",
        "stacked_parameters",
        "stacked_weights",
    )

    def stop(done: int, total: int) -> None:
        if done > 150:
            raise KeyboardInterrupt

    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(problem, 5, [0.0, 8.0, 20.0], progress=stop, chunk=7, checkpoint=path)
    resumed = train(problem, 5, [0.0, 8.0, 20.0], chunk=13, checkpoint=path)
    for name in names:
        assert np.array_equal(getattr(resumed, name), getattr(whole, name)), name
    with pytest.raises(InputError, match="another problem"):
        train(dataclasses.replace(problem, optimiser=Optimiser(0.6, averages=(1.0, Power(3.0)))), 5, checkpoint=path)


@pytest.mark.ci
def test_averages_leave_the_network_alone():
    """What is only watched changes nothing, to the last bit of double precision; a fast average is the network one step ago."""
    plain = train(small("gates"), 2)
    watched = small("gates", averages=(1.0, 1e9))
    trainer = Trainer(watched, 2)
    trainer.advance(watched.steps - 1)
    before = trainer.weights
    trainer.advance(1)
    assert np.allclose(trainer.weights, plain.weights, rtol=0, atol=1e-13)
    assert np.array_equal(trainer.stacked[trainer.stack.averages[1]], before)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(labels=None), "labels"),
        (dict(labels=[0, 1, 2]), "labels"),
        (dict(label_dropout=1.5), "label_dropout"),
        (dict(averages=(0.0,)), "averages"),
        (dict(momentum=1.0), "momentum"),
        (dict(momentum=0.5, heavy_ball=(1.0, 1.0)), "at most one"),
        (dict(gains=[1.0, -1.0, 1.0]), "gains"),
        (dict(b=0.3), "b"),
    ],
)
def test_bad_input_is_one_line(changes, words):
    with pytest.raises(InputError, match=words) as caught:
        small("conditioned", **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("conditioned", dict(averages=(1.0, Power(2.0)), gains=[1.0, 0.5, 0.7])),
        ("gates", dict(heavy_ball=(1.0, 1.0), average="random", gains=[1.0, 2.0, 0.7])),
        ("gates", dict(momentum=0.6, averages=(3.0,), batch=2)),
    ],
    ids=["averages", "heavy ball", "momentum"],
)
def test_the_reduced_chain_has_the_same_law(network, changes):
    """Means and standard deviations of all stacked order parameters, 1 500 runs each, in R^30 and as a chain."""
    options = dict(
        dimension=30, learning_rate=0.2, tau=1.5, weight_decay=0.3, masses=[1.0], eigenvalues=[[0.6]], **changes
    )
    rng = np.random.default_rng(1)
    W, E = rng.standard_normal((4 if network == "gates" else 2, 30)), np.linalg.qr(rng.standard_normal((30, 2)))[0].T
    problem = small(network, initial=(0.7 * W, E), **options)
    taus, n = np.array([0.7, 1.5]), 1500
    runs = [train(problem, s, taus) for s in spawn(0, n)]
    chains = [trajectory(s, problem, taus) for s in spawn(1, n)]
    followed = Trainer(problem, 0).stack.followed

    def flat(rows):
        return np.array([np.concatenate([np.ravel(x) for x in row]) for row in rows])

    left = flat(
        [(r.stacked_Q[:, followed][:, :, followed], r.stacked_Theta[:, followed], r.b, r.parameters) for r in runs]
    )
    right = flat([(c["stacked_Q"], c["stacked_Theta"], c["b"], c["parameters"]) for c in chains])
    sem = np.sqrt((left.var(axis=0, ddof=1) + right.var(axis=0, ddof=1)) / n)
    assert np.all(np.abs(left.mean(axis=0) - right.mean(axis=0)) < 4.5 * sem + 1e-12)
    moving = sem > 1e-9
    ratio = left.std(axis=0)[moving] / right.std(axis=0)[moving]
    assert np.all(np.abs(np.log(ratio)) < 0.2)


def test_an_ensemble_needs_no_more_than_pickles():
    problem = small("conditioned", averages=(Power(1.0),), weight_decay=Falling())
    one, two = (run_ensemble(one_run, spawn(0, 2), problem, workers=w, progress=False) for w in (1, 2))
    assert all(np.array_equal(a["Q"], b["Q"]) for a, b in zip(one, two, strict=True))
