"""The reference experiment, made small, for the tests of what is shown: solved and simulated once."""

from __future__ import annotations

from functools import cache

import asymptotics as asy


@cache
def auto_encoder():
    """The reference experiment, made small: experiment, path, runs."""
    small = {"dimension": 64, "runs": 3, "samples": 40}
    experiment = asy.example("three-clusters").replace({"training.tau": 0.5}, simulation=small)
    return experiment, asy.solve(experiment), asy.simulate(experiment, progress=False, workers=1)


def path():
    return auto_encoder()[1]
