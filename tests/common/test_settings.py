"""Fields of settings that say themselves what they may be."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import pytest

from asymptotics.common.input.checks import InputError, choice
from asymptotics.common.input.settings import Count, Flag, Positive, Settings


@dataclass(frozen=True)
class Plan(Settings):
    table = "plan"

    runs: Count = 2
    rate: Positive | None = None
    kind: Annotated[str, partial(choice, options=("fresh", "warm"))] = "fresh"
    quiet: Flag = False
    note: str = ""


@dataclass(frozen=True)
class Longer(Plan):
    steps: Count = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set(note=f"{self.runs * self.steps} steps")


def test_values_are_kept_in_their_one_form():
    plan = Plan(rate=2)
    assert plan.rate == 2.0 and type(plan.rate) is float and Plan().rate is None
    assert Longer(runs=3, steps=2).note == "6 steps"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": 0}, r"plan.runs = 0: must be an integer and >= 1"),
        ({"runs": None}, r"plan.runs = None: must be an integer"),
        ({"rate": 0.0}, r"plan.rate = 0.0: must be a finite number and > 0"),
        ({"kind": "freshly"}, r"plan.kind = 'freshly': must be one of fresh, warm \(did you mean fresh\?\)"),
        ({"quiet": 1}, r"plan.quiet = 1: must be true or false"),
    ],
)
def test_each_value_is_checked_where_it_is_declared(given, said):
    for kind in (Plan, Longer):
        with pytest.raises(InputError, match=said):
            kind(**given)
