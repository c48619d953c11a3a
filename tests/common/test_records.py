"""Records that were mappings: they read as such, and files of before give them back."""

from dataclasses import dataclass

import numpy as np
import pytest

from asymptotics.common.output.records import Entries, Recorded


@dataclass(frozen=True)
class Size(Entries):
    mean: float
    sem: float
    others: list["Size"] | None = None


@dataclass(frozen=True)
class Found(Recorded):
    sizes: list[list[Size]]
    best: Size | None
    values: np.ndarray


def test_entries_read_as_the_mapping_that_they_were():
    size = Size(1.0, 0.5)
    assert dict(size) == {"mean": 1.0, "sem": 0.5} and size["mean"] == size.mean and "others" not in size
    assert size.get("others") is None and size.get("kind", "none") == "none" and len(size) == 2
    with pytest.raises(KeyError, match="others"):
        size["others"]
    assert dict(Size(1.0, 0.5, []))["others"] == []


def test_mappings_in_a_file_are_records_again(tmp_path):
    best = Size(1.0, np.nan, [Size(2.0, 0.1)])
    kept = Found([[Size(3.0, 0.25)], []], best, np.arange(3.0)).save(tmp_path / "found.npz")
    found = Found.load(kept)
    assert found.sizes == [[Size(3.0, 0.25)], []] and found.best is not None
    assert np.isnan(found.best.sem) and found.best.others == best.others
    assert found.to_json()["best"] == {"mean": 1.0, "sem": None, "others": [{"mean": 2.0, "sem": 0.1}]}
    assert Found.load(Found([], None, np.zeros(0)).save(kept)).best is None
