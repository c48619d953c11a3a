"""Theory of time-conditioned denoisers, loss weights, labels, averages and momentum.

Numbers are those of independent simulations and closed forms, or of limits in which two different settings are one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment, example, solve
from asymptotics.autoencoder import GeneratedDensity
from tests.autoencoder.test_practice_settings import complete

#: Of the numbers that are given to that.
CLOSE = 1.5e-4


def experiment(target: dict[str, Any], denoiser: dict[str, Any], **training: Any) -> Experiment:
    """An experiment with η = .2, λ = .1, τ = 3 unless something else is said."""
    return Experiment(
        target=target, denoiser=denoiser, training={"learning_rate": 0.2, "weight_decay": 0.1, "tau": 3.0} | training
    )


TWO = {"weights": [0.6, 0.4], "centroids": [[2.0], [-1.5]], "eigenvalues": [[0.7]]}
TIED = {"init": {"Theta": [[0.3]], "Q": [[0.4]]}}


def end(exp: Experiment, **options: Any) -> Any:
    """Order parameters at the end."""
    return solve(exp, **options)(exp.problem.training.tau)


def test_preconditioned_network_with_weights(reference) -> None:
    norm = "sqrt(alpha**2+beta**2)"
    denoiser = {
        "skip_fixed": "beta/(alpha**2+beta**2)", "skip_basis": ["1", "beta"], "input_scale": f"1/{norm}",
        "output_scale": f"alpha/{norm}", "init": {"Theta": [[0.4]], "Q": [[0.5]]},
    }  # fmt: skip
    target = {"weights": [0.7, 0.3], "centroids": [[2.0], [-2.0]], "eigenvalues": [[0.5]]}
    at = end(experiment(target, denoiser, times=[0.25, 0.75], weights=[0.7, 0.3]))
    assert [at.Theta[0, 0], at.Q[0, 0], *at.b] == reference("autoencoder.practice.time_conditioned")


def test_labels_and_drop_out(reference) -> None:
    target = {"centroids": [[2.0], [-2.0]], "eigenvalues": [[0.6]], "labels": [0, 1]}
    at = end(experiment(target, TIED | {"architecture": "labelled_bias"}, times=[0.6], label_dropout=0.2))
    assert [at.Theta[0, 0], at.Q[0, 0], at.b, *at.parameters] == reference("autoencoder.practice.labels")


def test_heavy_ball(reference) -> None:
    """b is that of plain SGD."""
    exp = experiment(TWO, TIED, times=[0.6], momentum={"friction": 2.0, "gain": 2.0})
    at = end(exp)
    v = at.velocity
    got = [at.Theta[0, 0], v.Theta[0, 0], at.Q[0, 0], v.cross[0, 0], v.Q[0, 0], at.b]
    assert got == reference("autoencoder.practice.heavy_ball")


def test_several_averages_in_one_solve(reference) -> None:
    """Against the reference for γ = 1; γ → ∞ is the live network, whose own path no average changes."""
    exp = example("three-clusters").replace(training={"ema": [1.0, 60.0, {"power": 1.0}], "tau": 4.0})
    path = solve(exp)
    at = path(4.0)
    one, fast, power = at.averages
    got = [one.network.Q[0, 0], one.network.Q[1, 1], one.cross[0, 0], one.cross[1, 1], one.network.Theta[0, 0]]
    assert [*got, one.network.Theta[1, 1], one.network.b] == reference("autoencoder.practice.average")
    plain = end(exp.replace(training={"ema": []}))
    np.testing.assert_allclose(at.Q, plain.Q, rtol=0, atol=2e-5)
    # w̄ = w − ẇ/γ + O(1/γ²), for b as for the vectors.
    slope = (path(4.0).b - path(3.999).b) / 0.001
    assert fast.network.b == pytest.approx(at.b - slope / 60.0, abs=2e-4)
    assert np.max(np.abs(fast.network.Theta - at.Theta)) < 0.02
    # γ = 2/τ: b̄ = (2/τ²) ∫ s b(s) ds, by the closed form of b that the path has.
    x, w = np.polynomial.legendre.leggauss(24)
    s = 2.0 * (x + 1)
    assert power.network.b == pytest.approx(float(2.0 / 16.0 * 2.0 * w @ (s * path(s).b)), abs=1e-5)
    assert path.table([4.0])["ema"][2]["gamma"] == {"power": 1.0}


def test_complete_file(reference) -> None:
    """At η = .1; for the file's own η = .2 by SGD in R^d."""
    path = solve(complete(training__learning_rate=0.1), tau=[3.0], generated=True)
    at, average = path(3.0), path(3.0).averages[0]
    upper = np.triu_indices(2)
    live = [*at.Theta.ravel(), *at.Q[upper], *at.b, *at.parameters]
    assert live == reference("autoencoder.complete_file.live")
    mean = average.network
    got = [*mean.Theta.ravel(), *mean.Q[upper], *average.cross.ravel(), *mean.b, *mean.parameters]
    assert got == reference("autoencoder.complete_file.average")
    law = path.to_json()["generated"]
    assert [law["mean"][0], law["covariance"][0][0]] == reference("autoencoder.complete_file.generated")
    assert law["quantiles"][0] == reference("autoencoder.complete_file.quantiles")
    assert end(complete()).Q[0, 0] == reference("autoencoder.complete_file.Q_11")


def test_fixed_momentum_is_a_larger_rate_and_a_longer_time() -> None:
    """β_m = .6: η/(1 − β_m) at τ/(1 − β_m), b and scalars too; the average's clock is not that of the rates."""
    target = {"centroids": [[2.0], [-2.0]], "eigenvalues": [[0.6]], "labels": [0, 1]}
    labelled = TIED | {"architecture": "labelled_bias"}
    options = {"times": [0.6], "label_dropout": 0.1}
    heavy = end(experiment(target, labelled, **options, tau=1.0, momentum=0.6, ema=1.0))
    plain = end(experiment(target, labelled, **options, tau=2.5, learning_rate=0.5, ema=0.4))
    for one, other in ((heavy, plain), (heavy.averages[0].network, plain.averages[0].network)):
        np.testing.assert_allclose(
            [*one.Theta.ravel(), *one.Q.ravel(), one.b, *one.parameters],
            [*other.Theta.ravel(), *other.Q.ravel(), other.b, *other.parameters], rtol=0, atol=2e-6,
        )  # fmt: skip


@pytest.mark.slow
def test_labels_that_say_nothing_are_none() -> None:
    """One label for all and no drop-out is an unlabelled network with a bias; guidance 0 is none."""
    own = {"vectors": ["w"], "terms": [["w", "tanh(w + kappa)"]], "parameters": {"kappa": 0.0}} | TIED
    plain = end(experiment(TWO, own, times=[0.6]))
    exp = experiment(TWO | {"labels": [0, 0]}, TIED | {"architecture": "labelled_bias"}, times=[0.6])
    one = end(exp)
    np.testing.assert_allclose(
        [*one.Theta.ravel(), *one.Q.ravel(), one.b, *one.parameters],
        [*plain.Theta.ravel(), *plain.Q.ravel(), plain.b, *plain.parameters], rtol=0, atol=1e-9,
    )  # fmt: skip
    levels = [0.1, 0.5, 0.9]
    told, free, guided = (
        GeneratedDensity(x.problem, one).quantiles(levels)
        for x in (
            exp.replace(sampling={"label": 0}),
            exp,
            exp.replace({"training.label_dropout": 0.1, "sampling.label": 0, "sampling.guidance": "0*t"}),
        )
    )
    np.testing.assert_allclose(free, told, rtol=0, atol=1e-12)
    np.testing.assert_allclose(guided, told, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_declared_optimiser_is_the_momentum_of_the_file(reference) -> None:
    """Heavy ball written out as R and A over two vectors of a declared denoiser (quick: `test_practised_fluctuations`, of three)."""
    import sympy

    from derivations import Denoiser, Optimiser, derive, local_field

    denoiser = Denoiser("ball", ("w", "v"), (("w", sympy.tanh(local_field("w"))),))
    A = {("v", "v"): -2, ("w", "v"): 2, ("w", "w"): sympy.Rational(-1, 20)}
    start = {"Theta": [[0.3], [0.0]], "Q": [[0.4, 0.0], [0.0, 0.0]]}
    system = derive(denoiser, Optimiser(gradient={("v", "w"): 1}, linear=A))
    at = end(experiment(TWO, {"init": start, "system": system}, times=[0.6], weight_decay=0.0))
    got = [*at.Theta.ravel(), at.Q[0, 0], at.Q[0, 1], at.Q[1, 1]]
    np.testing.assert_allclose(got, reference.value("autoencoder.practice.heavy_ball")[:5], rtol=0, atol=CLOSE)


def test_importance_sampling_changes_the_noise_alone() -> None:
    """p w fixed: all that is linear in the gradient is the same; with η → 0 nothing else is left."""
    even = {"times": [0.4, 0.8], "average": "random", "learning_rate": 1e-9}
    one = end(experiment(TWO, TIED, **even, time_probabilities=[0.25, 0.75], weights=[2.0, 1.0]))
    other = end(experiment(TWO, TIED, **even, time_probabilities=[0.5, 0.5], weights=[1.0, 1.5]))
    assert one.Q[0, 0] == pytest.approx(other.Q[0, 0], abs=1e-6)
    # One time, twice with different weights: E w = 1 and E w² = 1.25, so that the noise is that of η (1.25).
    split = end(experiment(TWO, TIED, times=[0.6, 0.6], average="random", weights=[1.5, 0.5], tau=1.0))
    plain = end(experiment(TWO, TIED, times=[0.6], learning_rate=0.25, tau=1.0))
    assert split.Q[0, 0] == pytest.approx(plain.Q[0, 0], abs=1e-6)


def test_a_conditioned_network_keeps_the_variance() -> None:
    """Where ψ spans s* = Λβ/(Λβ² + α²): v = α² + Λβ² at t_f (continuous sampler, b relaxed); one b alone collapses."""
    Lambda, single = 0.25, 1.585e-3
    target = {"centroids": [[1.0], [-1.0]], "eigenvalues": [[Lambda]]}
    start = {"init": {"Theta": [[0.1]], "Q": [[0.2]]}}
    best = f"{Lambda}*beta/({Lambda}*beta**2 + alpha**2)"
    variances = []
    for denoiser in (start | {"skip_basis": [best]}, start):
        exp = experiment(target, denoiser | {"frozen": ["w"]}, times=None, quadrature=24, tau=600.0)
        exp = exp.replace(sampling={"scheme": "continuous", "stop": 0.99})
        variances.append(GeneratedDensity.from_path(solve(exp, tolerance=1e-3), exp.problem).variance)
    assert variances[0] == pytest.approx(0.01**2 + Lambda * 0.99**2, rel=1e-10)
    assert variances[1] == pytest.approx(single, rel=1e-3)


def test_dependent_functions_move_by_least_norm() -> None:
    """ψ = (t, 2t) learn what t alone learns, shared as (1, 2)/5; the combination that no time sees keeps its start."""
    from asymptotics.autoencoder.model.warnings import DependentBasisWarning

    one = end(experiment(TWO, TIED | {"skip_basis": ["t"], "skip": [0.4]}, times=[0.3, 0.7]))
    with pytest.warns(DependentBasisWarning):
        exp = experiment(TWO, TIED | {"skip_basis": ["t", "2*t"], "skip": [0.4, 0.0]}, times=[0.3, 0.7])
    both = end(exp)
    # The functions are twice: their rate is five times that of t alone.
    slow = end(experiment(TWO, TIED | {"skip_basis": ["t"], "skip": [0.4]}, times=[0.3, 0.7], rates={"b": 5.0}))
    assert both.b[0] + 2 * both.b[1] == pytest.approx(slow.b, abs=1e-9)
    assert 2 * both.b[0] - both.b[1] == pytest.approx(0.8, abs=1e-9)
    assert one.b != pytest.approx(slow.b, abs=1e-3)


def test_collapse_map_of_a_conditioned_network() -> None:
    """At the Λ whose s* the ψ span the map keeps Λ up to t_f; one b alone loses it. Its generations are those of the theory."""
    from asymptotics import generations
    from asymptotics.autoencoder import CollapseMap

    best = "0.25*beta/(0.25*beta**2 + alpha**2)"
    target = {"centroids": [[1.0], [-1.0]], "eigenvalues": [[0.25]]}
    start = {"init": {"Theta": [[0.1]], "Q": [[0.2]]}}
    exp = experiment(target, start | {"skip_basis": [best]}, times=None, quadrature=24, tau=600.0)
    exp = exp.replace(sampling={"scheme": "continuous", "stop": 0.999})
    conditioned = CollapseMap(exp.problem)
    assert float(conditioned(0.25)) == pytest.approx(0.001**2 + 0.25 * 0.999**2, rel=1e-9)
    assert float(CollapseMap(exp.replace(denoiser={"skip_basis": None}).problem)(0.25)) < 1e-3
    # Several ψ: the chain of the map is that of the full theory, whose b the integrator follows.
    two = experiment(target, start | {"skip_basis": ["t", "alpha"]}, times=[0.3, 0.7], tau=2.0, weights=[1.0, 0.5])
    two = two.replace(sampling={"step": 0.1, "stop": 0.9}, generations={"count": 2, "nodes": 64, "replicas": 2})
    chain = generations(two, tolerance=1e-3, workers=1)
    mapped = CollapseMap(two.problem).iterate(1)
    np.testing.assert_allclose(chain.Lambda, mapped, rtol=1e-6)
    np.testing.assert_allclose(chain.b[1], CollapseMap(two.problem).skip(mapped[1]), rtol=0, atol=1e-5)


def test_tables_along_tau_jump() -> None:
    """Two trainings, one after the other, are one with a jump: of the time, of the decay, of weights and probabilities."""
    first = end(experiment(TWO, TIED, times=[0.3], tau=1.0))
    going = {"init": {"Theta": first.Theta.tolist(), "Q": first.Q.tolist()}, "skip": float(first.b)}
    second = end(experiment(TWO, going, times=[0.6], tau=2.0, weight_decay=0.0))
    jump = [["tau", "value"], [0, 0.1], [1, 0.1], [1, 0.0], [3, 0.0]]
    both = [["tau", "p", "q"], [0, 1, 0], [1, 1, 0], [1, 0, 1], [3, 0, 1]]
    ways: list[dict[str, Any]] = [
        {"times": [["tau", "time"], [0, 0.3], [1, 0.3], [1, 0.6], [3, 0.6]]},
        {"times": [0.3, 0.6], "average": "random", "time_probabilities": both},
        {
            "times": [0.3, 0.6],
            "average": "random",
            "weights": [["tau", "p", "q"], *([x, 2 * p, 2 * q] for x, p, q in both[1:])],
        },
    ]
    for way in ways[:2]:
        at = end(experiment(TWO, TIED, **way, weight_decay=jump))
        got, wanted = [at.Theta[0, 0], at.Q[0, 0], at.b], [second.Theta[0, 0], second.Q[0, 0], second.b]
        np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-6)
    # Half of the steps with a double weight: the same drift, twice the noise.
    noisy = end(experiment(TWO, TIED, **ways[2], weight_decay=jump), tolerance=1e-7)
    assert noisy.b == pytest.approx(second.b, abs=1e-8) and noisy.Q[0, 0] > second.Q[0, 0] + 0.01


def test_each_label_with_its_weight() -> None:
    """Without a label a labelled network generates the mixture: moments and quantiles are those of its two laws."""
    exp = complete(
        target__weights=[0.7, 0.3], training__times=[0.5], training__weights=[1.0], denoiser__skip_basis=["1"],
        denoiser__skip=0.0, sampling__guidance=0.0, sampling__network="live",
    )  # fmt: skip
    at, problem = end(exp), exp.problem
    laws = [GeneratedDensity(problem, at, label=k) for k in (0, 1)]
    tables = exp.to_table()
    tables["sampling"] = {k: v for k, v in tables["sampling"].items() if k != "label"}
    mixture = GeneratedDensity(Experiment.from_table(tables).problem, at)
    means = [float(law.mean()[0]) for law in laws]
    assert mixture.mean()[0] == pytest.approx(0.7 * means[0] + 0.3 * means[1], abs=1e-6)
    x = mixture.quantiles([0.3])[0]
    density = 0.7 * laws[0].density(x[:, None]) + 0.3 * laws[1].density(x[:, None])
    np.testing.assert_allclose(mixture.density(x[:, None]), density, rtol=1e-6)
    sample = mixture.sample(40_000, seed=1)[:, 0]
    assert np.mean(sample < x[0]) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 40_000))
