"""Commands on one experiment: its room's verbs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from .. import api, verbs
from ..common.input.checks import InputError
from ..common.input.texts import typed
from .command import Command, emit


def _resources(common: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(common, name) for name in ("workers", "checkpoint", "checkpoint_every")}


def solve(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics solve``."""
    experiment, common, options = command.load(name, arguments)
    result = api.solve(experiment, **options["solve"])
    emit(common, result, result.to_json(), lambda: api.plot(result))
    return 0


def long(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics simulate``, and the verbs that not every room has."""
    experiment, common, options = command.load(name, arguments)
    result = api.run(experiment, name, **_resources(common), **options[name])
    emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def optimise(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics optimise``."""
    experiment, common, options = command.load(name, arguments)
    given = options[name]
    simulate = not given.pop("only_theory", False)
    if common.checkpoint is not None:
        raise InputError("--checkpoint: must be left out; an optimisation keeps none")
    result = verbs.optimise(experiment, simulate=simulate, workers=common.workers, **given)
    emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def compare(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics compare``: exit status 0 where theory and experiment agree, else 1."""
    experiment, common, options = command.load(name, arguments)
    times = None if common.strip is None else typed("--strip", common.strip, float, many=True)
    if times is not None and common.plot is None:
        raise InputError("--strip: needs --plot OUT.png, where it is drawn")
    theory = api.solve(experiment, **options["solve"])
    runs = api.run(experiment, "simulate", **_resources(common), **options["simulate"])
    verdict = api.compare(theory, runs, level=common.level)
    payload = {"experiment": experiment.name, **verdict.to_json(), "theory": theory.to_json()}
    if common.movie is not None:
        api.movie(theory, runs, common.movie)
    emit(common, verdict, {**payload, "simulation": runs.to_json()}, lambda: api.plot(theory, runs, tau=times))
    return 0 if verdict.passed else 1
