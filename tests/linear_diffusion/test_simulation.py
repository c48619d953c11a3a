"""The full process against the theory, with error bars; reproducibility; plots; images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.linear_diffusion.images import bilinear, compare_images, digits_effective_dimension
from asymptotics.linear_diffusion.problem import Problem
from asymptotics.linear_diffusion.settings import LinearDiffusion, Simulation
from asymptotics.linear_diffusion.system import SYSTEM as system


def build(simulation=None, **table):
    base = {"dimension": 40, "spectrum": {"power": 1}, "samples": 40, "steps": 100, "time": 20}
    return Problem(
        LinearDiffusion.from_table({**base, **table}),
        # More than 40 runs are judged by a law that costs nothing.
        Simulation.from_table({"samples": 0, "test_samples": 400, "runs": 42, **(simulation or {})}),
    )


def scores(verdict):
    """Difference in standard errors beyond the stated allowance, with sign, of every compared number that fluctuates."""
    found = []
    for row in verdict.rows:
        excess = np.atleast_1d(row.mean - row.theory)
        excess = np.sign(excess) * np.maximum(np.abs(excess) - row.allowance, 0)
        sem = np.atleast_1d(row.sem)
        found.append(excess[sem > 1e-9] / sem[sem > 1e-9])
    return np.concatenate(found)


@pytest.mark.slow
def test_simulation_agrees_over_sizes_and_hierarchies():
    collected = []
    for exponent in (0, 1, 2):
        for ratio in (0.1, 0.5, 1, 2, 10):
            problem = build(
                {"seed": int(10 * ratio) + exponent, "tau": [0.5, 2.0]},
                spectrum={"power": exponent},
                samples=round(40 * ratio),
                regularisation=0.05,
            )
            verdict = system.compare(system.solve(problem), system.simulate(problem, workers=1))
            assert verdict.passed, verdict.summary()
            collected.append(scores(verdict))
    z = np.concatenate(collected)
    assert z.size > 190
    # calibrated error bars: nearly all within three standard errors, and the theory's own error is not visible
    assert np.mean(np.abs(z) > 3) < 0.02
    assert 0.6 < np.sqrt(np.mean(z**2)) < 1.3


@pytest.mark.parametrize(("samples", "exponent"), [(20, 1), pytest.param(80, 2, marks=pytest.mark.slow)])
def test_simulation_agrees_without_regularisation(samples, exponent):
    problem = build({"seed": samples}, samples=samples, spectrum={"power": exponent})
    theory, runs = system.solve(problem), system.simulate(problem, workers=1)
    verdict = system.compare(theory, runs)
    assert verdict.passed, verdict.summary()
    assert ("kl_generated_target" in {row.name for row in verdict.rows}) == (samples > 40)
    assert (runs.to_json()["mean"]["kl_generated_target"] is None) == (samples <= 40)


@pytest.mark.parametrize(
    "variance", ["exact", *(pytest.param(v, marks=pytest.mark.slow) for v in ("beta", "posterior"))]
)
@pytest.mark.ci
def test_generated_points_have_the_predicted_divergence(variance):
    problem = build(
        {"samples": 200, "runs": 24, "tau": []}, dimension=20, samples=40, regularisation=0.1, steps=40, variance=variance,
        beta_first=1e-3, beta_last=0.2, time=4,
    )  # fmt: skip
    verdict = system.compare(system.solve(problem), system.simulate(problem, workers=1))
    assert verdict.passed, verdict.summary()
    assert {"sampled_trace", "sampled_kl_generated_target", "sampled_kl_target_generated"} <= {
        r.name for r in verdict.rows
    }


@pytest.mark.slow  # quick: every number alone (`test_finite_size`)
def test_a_wrong_theory_is_noticed():
    problem = build()
    theory, runs = system.solve(problem), system.simulate(problem, workers=1)
    wrong = dataclasses.replace(theory, test_loss=theory.test_loss * 1.1)
    assert "test_loss" in system.compare(wrong, runs).failures()
    with pytest.raises(InputError, match="settings"):
        system.compare(system.solve(build(samples=41)), runs)
    with pytest.raises(InputError, match="sweep"):
        system.compare(system.solve(problem, samples="20,30"), runs)


def test_plots_have_lines_and_error_bars():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    problem = build({"runs": 3}, dimension=8, samples=12, steps=10, time=3)
    theory, runs = system.solve(problem), system.simulate(problem, workers=1)
    _, ax = system.plot(theory, runs)
    assert len(ax.containers) == 2
    assert ax.get_xscale() == "log"
    assert runs.plot()[1].get_ylabel() == "loss per dimension"
    assert theory.plot()[1].get_lines()
    many = system.solve(problem, samples="5,10,20")
    assert len(many.plot()[1].get_lines()) == 2
    same, own = plt.subplots()
    assert system.plot(many, ax=own) == (same, own)
    plt.close("all")


@pytest.mark.slow
def test_effective_dimension_of_the_digits():
    found = digits_effective_dimension()
    assert found["participation_ratio"] == pytest.approx(30.69, abs=5e-3)
    assert found["participation_ratio_resized"] == pytest.approx(25.06, abs=5e-3)
    assert found["raw"] == found["participation_ratio"] + 1
    assert 25 < found["fourth_moment"] < 40
    resize = bilinear(28, 32)
    assert resize.sum(axis=1) == pytest.approx(np.ones(32))
    # linear functions are reproduced away from the border
    assert (resize @ np.arange(28.0))[1:-1] == pytest.approx((np.arange(32)[1:-1] + 0.5) * 28 / 32 - 0.5)


@pytest.mark.ci
def test_real_images_beside_the_gaussian_theory():
    found = compare_images((50, 800), runs=2, workers=1)
    assert found.train.shape == found.test.shape == found.gap.shape == (2, 2)
    # digits are not Gaussian, but the loss knows two moments only: within five per cent, and closer with more data
    assert np.all(np.abs(found.gap[:, 0]) < 0.05 + 3 * found.gap[:, 1])
    assert abs(found.gap[1, 0]) < 0.02 + 3 * found.gap[1, 1]
    assert np.all(np.abs(found.agreement[:, 0] - found.theory_agreement) < 0.03)
    assert found.test[0, 0] > found.test[1, 0] > found.train[1, 0]
    assert "Gaussian" in repr(found)
    with pytest.raises(InputError, match="samples = 5000"):
        compare_images((5000,))
    with pytest.raises(InputError, match="samples"):
        compare_images(())
