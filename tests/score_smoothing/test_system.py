"""The doors: tables, options, JSON fields, errors, examples, plots."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

import asymptotics
from asymptotics.cli import main
from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing import GeneratedLaw, Problem, ScoreSmoothing, Simulation, metrics
from asymptotics.score_smoothing.system import SYSTEM as system

EXAMPLES = sorted((Path(asymptotics.__path__[0]) / "examples").glob("score-smoothing*.toml"))
FIELDS = {
    "atoms", "interpolated_mass", "w1", "w2", "kl_uniform_total", "kl_uniform_continuous", "memorised", "density", "flow",
}  # fmt: skip


def _build(table):
    return Problem(ScoreSmoothing.from_table(table))


def _solve(table, **texts):
    """With options as the command line gives them."""
    return system.solve(_build(table), **texts).to_json()


BASE = {"points": [-1.0, 1.0], "kappa": 0.5, "start_time": 0.2}


def test_solve_gives_the_fields_of_the_contract():
    out = _solve(BASE, at="-0.5,0,0.3", starts="-.4,0.1,1.5", times="0.05,0", within="0.2")
    assert set(out) >= FIELDS
    json.dumps(out, allow_nan=False)
    assert out["w1"] == pytest.approx(0.3911, abs=5e-5)
    assert np.shape(out["density"]) == (3,)
    assert np.shape(out["flow"]) == (2, 3)
    r0 = 1 - 0.5 * np.sqrt(0.2)
    np.testing.assert_allclose(out["flow"][1], [-0.4 / r0, 0.1 / r0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(out["flow"][0][0], -0.4 / r0 * (1 - 0.5 * np.sqrt(0.05)), rtol=1e-12)
    np.testing.assert_allclose(out["flow"][0][2], 1 + 0.5 * 0.5, rtol=1e-12)
    assert out["memorised"] == pytest.approx(metrics(GeneratedLaw(2, 0.5, 0.2), 0.2).memorised)


def test_integer_points_are_uniform_on_the_interval():
    a, b = (
        _solve({**BASE, "points": 7, "start_time": 0.01}),
        _solve({**BASE, "points": np.linspace(-1, 1, 7).tolist(), "start_time": 0.01}),
    )
    assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}
    # Digits typed in a file are taken as uniform.
    c = _solve({**BASE, "points": [-1, -0.33333333, 0.33333333, 1], "start_time": 0.01})
    assert c["w2"] == pytest.approx(_solve({**BASE, "points": 4, "start_time": 0.01})["w2"], abs=1e-7)


def test_space_and_ball_masses_at_finite_end_time():
    out = _solve({**BASE, "points": 3, "start_time": 0.03, "end_time": 0.01, "dimension": 3})
    line = _solve({**BASE, "points": 3, "start_time": 0.03, "end_time": 0.01})
    zero = _solve({**BASE, "points": 3, "start_time": 0.03})
    assert out["w2"] ** 2 == pytest.approx(line["w2"] ** 2 + 2 * 0.01)
    assert out["w1"] is None
    assert out["kl_uniform_total"] is None
    assert any("w1" in n for n in out["notes"])
    np.testing.assert_allclose(out["atoms"], zero["atoms"], rtol=1e-12)
    assert out["kl_uniform_continuous"] == pytest.approx(zero["kl_uniform_continuous"], rel=1e-10)


def test_ornstein_uhlenbeck_limit_is_the_exploding_one_at_its_own_time():
    t0 = 0.5 * np.log1p(0.03)
    ou = _solve({**BASE, "points": 3, "start_time": t0, "process": "ou"}, starts="0.3", times="0")
    ve = _solve({**BASE, "points": 3, "start_time": 0.03})
    for name in FIELDS - {"flow", "density"}:
        np.testing.assert_allclose(ou[name], ve[name], rtol=1e-9)
    law = GeneratedLaw(3, 0.5, 0.03)
    assert ou["flow"][0][0] == pytest.approx(float(law.push(np.exp(t0) * 0.3)), rel=1e-12)


def test_exact_score_as_early_stopping():
    memorised = _solve({**BASE, "kernel": "none"})
    assert (memorised["w1"], memorised["memorised"]) == (0.5, 1.0)
    assert memorised["w2"] == pytest.approx(1 / np.sqrt(3))
    assert memorised["kl_uniform_total"] is None
    out = _solve({**BASE, "kernel": "none", "end_time": 0.0796}, at="0.2")
    assert out["w2"] == pytest.approx(0.504, abs=5e-4)
    direct = 0.5 * sum(norm.pdf(0.2, y, np.sqrt(0.0796)) for y in (-1, 1))
    assert out["density"][0] == pytest.approx(direct, rel=1e-12)
    # Any spacing and any start are allowed without smoothing.
    assert (
        _solve({"points": [0.0, 1.0, 3.0], "kappa": 5.0, "start_time": 9.0, "kernel": "none"})["atoms"] == [1 / 3] * 3
    )


def test_circle_fields():
    table = {"points": 8, "kappa": 0.5, "start_time": 0.1, "curve": "circle"}
    out = _solve(table, starts="0.9,0.2,-0.3,0.8", times="0.01,0", at="0")
    assert np.shape(out["flow"]) == (2, 2, 2)
    assert sum(out["atoms"]) + out["interpolated_mass"] == pytest.approx(1.0)
    json.dumps(out, allow_nan=False)
    angular = _solve({**table, "kernel": "angular"})
    assert angular["memorised"] == 1.0
    assert any("metastable" in n for n in angular["notes"])


def test_bad_options():
    problem = _build(BASE)
    with pytest.raises(InputError, match="times"):
        system.solve(problem, starts=[0.0], times=[0.3])
    with pytest.raises(InputError, match="from"):
        system.solve(problem, times=[0.1])
    with pytest.raises(InputError, match="within"):
        system.solve(problem, within=-1.0)
    with pytest.raises(InputError, match=r"at = .*: must be finite numbers separated by commas"):
        system.solve(problem, at="a,b")


def test_lists_on_the_command_line_may_begin_with_a_negative_number(capsys):
    options = ["--json", "--at", "-1,0.2", "--from", "-.4,0.1", "--within", "0.2"]
    assert main(["solve", "score-smoothing", *options]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["at"], out["from"], out["times"], out["within"]) == ([-1.0, 0.2], [-0.4, 0.1], [0.0], 0.2)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_solve_and_their_tables_come_back(path):
    tables = tomllib.loads(path.read_text())
    assert tables.pop("system") == "score_smoothing"
    assert tables.pop("description")
    built = {name: system.tables[name].from_table(table) for name, table in tables.items()}
    for name, value in built.items():
        assert system.tables[name].from_table(value.to_table()) == value
    solution = system.solve(system.problem(**built))
    assert sum(solution.atoms) + solution.interpolated_mass == pytest.approx(1.0, abs=1e-12)
    assert "mass of the atoms" in solution.summary()


def test_earlier_names_still_work():
    problem = Problem(ScoreSmoothing.from_table(BASE), Simulation(samples=20, runs=2, steps=5))
    for result in (system.solve(problem), system.simulate(problem, workers=1)):
        with pytest.warns(DeprecationWarning, match="settings: is now called experiment"):
            assert result.settings["kappa"] == 0.5


def test_plots(tmp_path):
    import matplotlib.pyplot as plt

    plan = Simulation(samples=500, runs=2)
    for table in (BASE, {**BASE, "points": 3, "start_time": 0.03}, {"points": 6, "kappa": 0.5, "start_time": 0.1,
                                                                      "curve": "circle"}):  # fmt: skip
        problem = Problem(ScoreSmoothing.from_table(table), plan)
        solution, runs = system.solve(problem), system.simulate(problem, workers=1)
        for given in (None, runs):
            figure, ax = system.plot(solution, given)
            assert ax.get_xlabel()
            plt.close(runs.plot()[0])
            plt.close(solution.plot()[0])
            figure.savefig(tmp_path / "p.png")
            plt.close(figure)
