"""Shared tools against closed forms and bad input."""

from __future__ import annotations

import dataclasses
import os
import pickle

import numpy as np
import pytest

import asymptotics
from asymptotics.common.input import checks, expressions
from asymptotics.common.numerics.distances.gaussians import sliced_wasserstein, wasserstein_1d
from asymptotics.common.numerics.interpolants import PRESETS, Interpolant
from asymptotics.common.numerics.quadrature.expectations import Rule, climb, ladder
from asymptotics.common.output.results import Result, to_builtin, write_atomically
from asymptotics.common.output.verdict import Row, Verdict
from asymptotics.common.running.ensembles import run_ensemble, spawn

# expectations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_gauss_hermite_integrates_gaussians_and_polynomials(dimension):
    z, w = Rule("hermite", 32).points(dimension)
    assert w.sum() == pytest.approx(1, abs=1e-14)
    assert w @ z[:, 0] ** 6 == pytest.approx(15, rel=1e-10)
    a = np.linspace(0.2, 0.7, dimension)
    assert w @ np.cos(z @ a) == pytest.approx(np.exp(-a @ a / 2), rel=1e-12)


def test_pruning_leaves_the_tensor_rule_unchanged():
    x, w1 = np.polynomial.hermite_e.hermegauss(64)
    w1 /= w1.sum()
    full = np.einsum("i,j,ij->", w1, w1, np.tanh(np.add.outer(x, 0.3 * x) + 0.2) ** 2)
    z, w = Rule("hermite", 64).points(2)
    assert len(w) < 64**2 / 1.9
    assert w @ np.tanh(z[:, 0] + 0.3 * z[:, 1] + 0.2) ** 2 == pytest.approx(full, abs=1e-14)


def test_sobol_error_falls_faster_than_monte_carlo():
    exact = np.exp(-0.5 * 0.3**2 * 4)
    errors = []
    for k in (8, 12, 16):
        values = []
        for seed in range(8):
            z, w = Rule("sobol", 2**k, seed).points(4)
            values.append(w @ np.cos(0.3 * z.sum(axis=1)) - exact)
        errors.append(np.sqrt(np.mean(np.square(values))))
    # Sixteen times the points: a factor 4 by Monte Carlo.
    assert errors[0] / errors[1] > 8
    assert errors[1] / errors[2] > 8
    z, w = Rule("sobol", 1024).points(3)
    np.testing.assert_allclose((z.T * w) @ z, np.eye(3), atol=1e-12)


def test_rules_refuse_nonsense_and_the_ladder_climbs():
    with pytest.raises(checks.InputError, match="power of two"):
        Rule("sobol", 1000)
    with pytest.raises(checks.InputError, match=r"rule\.kind"):
        Rule("simpson", 8)
    for dimension, kink in ((1, False), (2, False), (4, False), (4, True)):
        sizes = [r.size(dimension) for r in ladder(dimension, kink=kink) if r.kind == "sobol" or dimension <= 2]
        assert sizes == sorted(sizes)


def test_climbing_ends_where_a_finer_rung_agrees():
    rungs = ladder(1)
    used, finer, value = climb(rungs, lambda rule: 1.0 / rule.nodes, lambda _, before, after: before - after < 0.01)
    assert (used.nodes, finer.nodes, value) == (20, 24, 1 / 24)
    used, finer, value = climb(rungs, lambda rule: rule.nodes, lambda *_: False)
    assert used is finer is rungs[-1] and value == rungs[-1].nodes


# expressions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')", "t.real", "t[0]", "lambda: t", "[t for t in t]", "exec('1')", "open", "x + t", "t if t else 1",
        "1 < 2", "'t'", "t @ t", "sin(t, t)", "9**9**9**9**9", "1e400", "(" * 300 + "t" + ")" * 300, "t" * 500, "", "sin", "f'{t}'",
        "t := 1", "True", "1j", "sqrt(-1)", "1/0", "log(0)", None, ["t"], b"t",
    ],
)  # fmt: skip
def test_expressions_that_are_not_arithmetic_are_refused(text):
    with pytest.raises(checks.InputError) as caught:
        expressions.to_sympy(text, ["t"], "key")
    assert "\n" not in str(caught.value)


def test_expressions_evaluate_as_written():
    t = np.linspace(0.1, 0.9, 5)
    f = expressions.to_function(expressions.to_sympy("-t**2 + 3*sin(pi*t)/(1 + exp(-t)) - 0.25", ["t"], "k"), ["t"])
    np.testing.assert_allclose(f(t), -(t**2) + 3 * np.sin(np.pi * t) / (1 + np.exp(-t)) - 0.25, rtol=1e-14)
    constant = expressions.to_function(expressions.to_sympy(0.5, ["t"], "k"), ["t"])
    np.testing.assert_array_equal(constant(t), np.full(5, 0.5))


@pytest.mark.parametrize("name", PRESETS)
def test_interpolants_and_their_derivatives(name):
    s = Interpolant.preset(name)
    t, h = np.linspace(0.05, 0.9, 12), 1e-6
    for f, df in ((s.alpha, s.alpha_dot), (s.beta, s.beta_dot)):
        np.testing.assert_allclose(df(t), (f(t + h) - f(t - h)) / (2 * h), rtol=1e-6, atol=1e-8)
    assert pickle.loads(pickle.dumps(s)) == s
    assert Interpolant.from_table(s.to_table()) == s


# results -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Kept(Result):
    values: np.ndarray
    name: str
    table: dict
    source: object = dataclasses.field(default=None, metadata={"transient": True})


def test_results_round_trip_without_pickle(tmp_path):
    kept = Kept(np.array([1.0, np.nan]), "x", {"a": [1, 2]}, source=object())
    loaded = Kept.load(kept.save(tmp_path / "kept.npz"))
    np.testing.assert_array_equal(loaded.values, kept.values)
    assert (loaded.name, loaded.table, loaded.source) == ("x", {"a": [1, 2]}, None)
    report = kept.to_json()
    assert report.pop("provenance") == loaded.provenance.to_json() == kept.provenance.to_json()
    assert report.pop("version") == kept.version == asymptotics.__version__
    assert report == {"values": [1.0, None], "name": "x", "table": {"a": [1, 2]}}
    assert os.listdir(tmp_path) == ["kept.npz"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.npz"
    target.write_bytes(b"old")

    def broken(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, broken)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.npz"]
    with pytest.raises(checks.InputError, match="cannot be written"):
        write_atomically(tmp_path / "none" / "file", lambda f: None)


def test_to_builtin_makes_json():
    assert to_builtin({"a": np.float32(0.5), "b": (np.inf, np.int64(3)), "c": None}) == {
        "a": 0.5,
        "b": [None, 3],
        "c": None,
    }
    with pytest.raises(TypeError):
        to_builtin(object())


# ensembles ---------------------------------------------------------------------------------------------------------


def _draw(seed, scale):
    return scale * np.random.default_rng(seed).standard_normal()


def _fail(seed):
    raise ValueError("inside a worker")


def test_ensembles_do_not_depend_on_the_workers():
    seeds = spawn(5, 6)
    one = run_ensemble(_draw, seeds, 2.0, workers=1)
    assert one == run_ensemble(_draw, seeds, 2.0, workers=3)
    assert one[:3] == run_ensemble(_draw, spawn(5, 3), 2.0, workers=1)
    with pytest.raises(ValueError, match="inside a worker"):
        run_ensemble(_fail, seeds, workers=2)
    with pytest.raises(checks.InputError, match="seed"):
        spawn(-1, 2)


# distances and verdicts --------------------------------------------------------------------------------------------


def test_wasserstein_distances_of_shifted_and_scaled_samples():
    x = np.random.default_rng(0).standard_normal(500)
    assert wasserstein_1d(x, x + 0.7) == pytest.approx(0.7)
    assert wasserstein_1d([0.0, 1.0], [0.0, 0.0, 1.0]) == pytest.approx(np.sqrt(1 / 6))
    from scipy.stats import wasserstein_distance

    y = np.random.default_rng(1).standard_normal(321) * 1.3
    assert wasserstein_1d(x, y, order=1) == pytest.approx(wasserstein_distance(x, y), rel=1e-12)
    plane = np.random.default_rng(2).standard_normal((400, 2))
    shift = np.array([0.3, -0.4])
    assert sliced_wasserstein(plane, plane + shift) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def test_a_right_theory_fails_once_in_a_hundred_and_a_wrong_one_is_named():
    rng, failures = np.random.default_rng(3), 0
    for _ in range(1000):
        values = rng.standard_normal((6, 20))
        row = Row("x", np.zeros(20), values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(6), 0.0, 5)
        failures += not Verdict.of([row]).passed
    assert 1 <= failures <= 25
    bad = Verdict.of(
        [Row("good", np.zeros(2), np.zeros(2), np.ones(2)), Row("bad", np.zeros(1), np.full(1, 9.0), np.ones(1))]
    )
    assert bad.failures() == ["bad"]
    assert "<< disagrees" in bad.summary()
    nan = Verdict.of([Row("nan", np.zeros(1), np.full(1, np.nan), np.ones(1))])
    assert not nan.passed
    assert not Verdict.of([], tests=(("p", 1e-9),)).passed


@pytest.mark.parametrize(
    "call",
    [
        lambda: checks.number("x", "1"),
        lambda: checks.number("x", float("nan")),
        lambda: checks.number("x", True),
        lambda: checks.number("x", 1, above=1),
        lambda: checks.integer("x", 1.0),
        lambda: checks.integer("x", 0, at_least=1),
        lambda: checks.choice("x", "b", ["a"]),
        lambda: checks.array("x", [[1], [1, 2]]),
        lambda: checks.array("x", ["a"]),
        lambda: checks.array("x", [1.0], shape=(2,)),
        lambda: checks.array("x", [1j]),
        lambda: checks.array("x", None),
        lambda: checks.array("x", [True]),
        lambda: checks.boolean("x", 1),
    ],
)
def test_checks_name_argument_value_and_what_is_allowed(call):
    with pytest.raises(checks.InputError, match=r"^x = .*: must be ") as caught:
        call()
    assert "\n" not in str(caught.value)
