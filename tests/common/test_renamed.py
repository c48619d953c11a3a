"""Old names: of keys, tables, keywords and attributes; each use is one warning."""

import warnings
from dataclasses import dataclass, field

import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.input.settings import Settings
from asymptotics.common.system import System
from asymptotics.common.verb import Option, Verb


@dataclass(frozen=True)
class Model(Settings):
    table = "model"
    ALIASES = {"width": "dimension"}  # noqa: RUF012

    dimension: int = 1


@dataclass(frozen=True)
class Simulation(Settings):
    table = "simulation"
    ALIASES = {"trajectories": "runs"}  # noqa: RUF012

    runs: int = 1
    steps: int = 1


@dataclass(frozen=True)
class Problem:
    model: Model
    simulation: Simulation = field(default_factory=Simulation)


SYSTEM = System(
    "asymptotics.none",
    "",
    {"model": Model, "simulation": Simulation},
    ("model",),
    Problem,
    {"solve": Verb((Option("points", int, "", aliases=("grid",)),))},
    table_aliases={"network": "model"},
    key_aliases={"model.steps": "simulation.steps", "sampler.steps": "simulation.steps"},
)


def test_keys_keywords_and_attributes():
    for make in (
        lambda: Simulation(trajectories=3),
        lambda: Simulation.from_table({"trajectories": 3}),
        lambda: Simulation().replace(trajectories=3),
    ):
        with pytest.warns(
            DeprecationWarning, match=r"^simulation.trajectories: is now called simulation.runs$"
        ) as seen:
            assert make() == Simulation(runs=3)
        assert len(seen) == 1 and seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="trajectories") as seen:
        assert Simulation(runs=3).trajectories == 3
    assert len(seen) == 1 and seen[0].filename == __file__
    with pytest.raises(AttributeError, match="nothing"):
        Simulation().nothing  # noqa: B018
    with pytest.raises(InputError, match=r"simulation.trajectories: given twice"):
        Simulation.from_table({"runs": 1, "trajectories": 3})
    with pytest.raises(InputError, match="unknown key"):
        Simulation.from_table({"tracks": 1})


def test_tables_and_moved_keys():
    with pytest.warns(DeprecationWarning) as seen:
        found = SYSTEM.present_tables({"network": {"width": 2, "steps": 5}, "simulation": {"trajectories": 4}})
    assert found == {"model": {"dimension": 2}, "simulation": {"runs": 4, "steps": 5}}
    assert len(seen) == 4
    with pytest.warns(DeprecationWarning, match=r"sampler.steps: is now called simulation.steps"):
        assert SYSTEM.present_tables({"sampler": {"steps": 3}}) == {"simulation": {"steps": 3}}
    with pytest.raises(InputError, match="given twice"):
        SYSTEM.present_tables({"network": {}, "model": {}})
    for old, new in {
        "network.width": "model.dimension",
        "network.steps": "simulation.steps",
        "simulation.trajectories": "simulation.runs",
        "network": "model",
    }.items():
        with pytest.warns(DeprecationWarning, match=f"^{old}: is now called {new}$"):
            assert SYSTEM.present_key(old) == new


def test_present_names_are_silent_and_options_have_old_names():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SYSTEM.present_key("model.dimension.x") == "model.dimension.x"
        assert SYSTEM.present_tables({"model": {"dimension": 1}}) == {"model": {"dimension": 1}}
        assert SYSTEM.verb("solve").checked({"points": "3"}) == {"points": 3}
    with pytest.warns(DeprecationWarning, match="^grid: is now called points$"):
        assert SYSTEM.verb("solve").checked({"grid": 3}) == {"points": 3}
