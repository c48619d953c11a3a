"""The verdict's own law: uniform p-values at any number of runs and any correlation, power as stated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from asymptotics.common.output.power import detectable, noncentral
from asymptotics.common.output.verdict import Row, Verdict


def correlated(rng, runs, n, common=0.9):
    return np.sqrt(common) * rng.standard_normal((runs, 1)) + np.sqrt(1 - common) * rng.standard_normal((runs, n))


@pytest.mark.parametrize(
    ("runs", "n"), [(3, 40), *(pytest.param(*shape, marks=pytest.mark.slow) for shape in ((8, 5), (12, 20)))]
)
def test_p_is_uniform_for_strongly_correlated_numbers(runs, n):
    """Bonferroni would give p near 1; Gaussian runs of any covariance give a uniform p."""
    rng, p = np.random.default_rng(1), []
    for _ in range(150):
        x = correlated(rng, runs, n)
        p.append(Verdict.of([Row.of_runs("x", np.zeros(n - 2), x[:, 2:]), Row.of_runs("y", [0, 0], x[:, :2])]).p_value)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_a_test_with_half_of_the_level_keeps_it():
    """p of a test among 128 numbers: .003 fails at half of .01, .01/129 would let it pass; numbers have the other half."""
    x = np.random.default_rng(2).standard_normal((10, 128))
    rows = [Row.of_runs("x", np.zeros(128), x)]
    half = Verdict.of(rows, tests=(("chi", 0.003),), shares={"chi": 0.5})
    assert half.failures() == ["chi"] and half.p_value == pytest.approx(1 - 0.997**2)
    assert Verdict.of(rows, tests=(("chi", 0.003),)).passed
    assert Verdict.of(rows, tests=(("chi", 0.006),), shares={"chi": 0.5}).passed
    # Alone it has the whole level.
    assert not Verdict.of([], tests=(("chi", 0.006),), shares={"chi": 0.5}).passed


def test_what_is_not_counted_or_not_tested_is_shown_only():
    rows = [Row("Q", np.zeros(2), np.zeros(2), np.ones(2)), Row("M", 0.0, 99.0, 1.0, counted=False)]
    verdict = Verdict.of(rows, not_tested=(("loss", "infinite mean"),))
    assert verdict.passed and verdict.count == 2
    assert "not tested: infinite mean" in verdict.summary()
    assert verdict.to_json()["not_tested"] == [{"name": "loss", "reason": "infinite mean"}]


def test_nothing_tested_is_no_pass():
    """Shown numbers alone, or none at all: neither agreement nor failure, and said in every form."""
    shown = Verdict.of([Row("M", 0.0, 0.0, 1.0, counted=False)], not_tested=(("b", "the bias is not known"),))
    for verdict in (shown, Verdict.of([])):
        assert not verdict.passed and verdict.failures() == [] and verdict.outcome == "NOT TESTED"
        assert verdict.to_json()["outcome"] == "NOT TESTED" and verdict.to_json()["passed"] is False
        assert verdict.summary().splitlines()[-1].startswith("NOT TESTED: no number could be compared")
    assert Verdict.of([], tests=(("chi", 0.5),)).outcome == "PASS"
    assert Verdict.of([], tests=(("chi", 1e-9),)).outcome == "FAIL"


def test_an_exact_number_must_agree_to_rounding():
    x = np.random.default_rng(0).standard_normal((6, 2)) * [1.0, 0.0] + [0.0, 1.0]
    assert Verdict.of([Row.of_runs("x", [0.0, 1.0], x)]).passed
    assert not Verdict.of([Row.of_runs("x", [0.0, 1.0 + 1e-9], x)]).passed


@pytest.mark.parametrize("runs", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_power_is_the_rate_of_rejection(runs):
    """A theory off by the stated change is rejected in half of the experiments."""
    rng, n, slope = np.random.default_rng(4), 12, np.linspace(0.2, 2.0, 12)
    changes, rejected = [], []
    for _ in range(120):
        x = correlated(rng, runs, n, 0.5)
        right = Verdict.of([Row.of_runs("x", np.zeros(n), x)], level=0.05)
        changes.append(detectable(right, {"rate": [slope], "other": [None]}))
        wrong = Row.of_runs("x", np.median([c["rate"] for c in changes]) * slope, x)
        rejected.append(not Verdict.of([wrong], level=0.05).passed)
    assert np.isinf(changes[0]["other"])
    assert abs(np.mean(rejected) - 0.5) < 0.15


def test_power_of_chi_square_is_noncentral():
    verdict = Verdict.of([], tests=(("chi", 0.5),), shares={"chi": 0.5})
    change = detectable(verdict, {}, {"eta": {"chi": noncentral(400.0, 5)}})["eta"]
    assert stats.ncx2.sf(stats.chi2.isf(0.01, 5), 5, 400 * change**2) == pytest.approx(0.5, abs=0.02)
    shown = dataclasses.replace(verdict, power={"eta": change, "decay": np.inf}).summary()
    assert f"eta {100 * change:.2g} %" in shown and "no change of decay" in shown


def test_round_trip(tmp_path):
    x = np.random.default_rng(0).standard_normal((4, 3))
    verdict = Verdict.of(
        [Row.of_runs("x", np.zeros(3), x, allowance=0.1, source="numerical error"), Row("M", 0.0, 0.0, 1.0, counted=False)],
        tests=(("chi", 0.4),), shares={"chi": 0.5}, not_tested=(("y", "why"),), power={"eta": 0.05},
    )  # fmt: skip
    again = Verdict.load(verdict.save(tmp_path / "v.npz"))
    assert again.to_json() == verdict.to_json() and again.summary() == verdict.summary()
    assert "[numerical error]" in again.summary()


@pytest.mark.ci
def test_scores_corrected_for_skewness_keep_their_level_at_three_runs():
    """Right theories, where the correction is largest: judged by the law of uncorrected scores, a sixth of these p are below .05."""
    rng = np.random.default_rng(3)
    p = []
    for _ in range(60):
        values = rng.standard_normal((3, 1)) * np.linspace(0.5, 1.0, 8) + 0.4 * rng.standard_normal((3, 8))
        p.append(Verdict.of([Row.of_runs("x", np.zeros(8), values, skewed=True)]).p_value)
    # Binomial: 9 or more have probability .003.
    assert np.count_nonzero(np.array(p) < 0.05) < 9
