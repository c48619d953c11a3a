"""The verbs of the package: solve, simulate, compare, for an experiment of any room."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from .common.checks import InputError
from .common.verdict import Verdict
from .experiment import SYSTEMS, Experiment, load


def _experiment(experiment: Any) -> Experiment:
    return experiment if isinstance(experiment, Experiment) else load(experiment)


def solve(experiment: Experiment | str, **options: Any) -> Any:
    """The theory's prediction for an experiment (or the name or file of one); options are those of its room."""
    experiment = _experiment(experiment)
    return experiment._room.solve(experiment.problem, **options)


def simulate(
    experiment: Experiment | str, *, workers: int | None = None, progress: bool | None = None, **options: Any
) -> Any:
    """The full d-dimensional process, as an ensemble of independent runs.

    Keys of the ``[simulation]`` table (``dimension=1000, runs=8, seed=0``) may be given here.
    """
    experiment = _experiment(experiment)
    kind = experiment._room.TABLES.get("simulation")
    keys = set(getattr(kind, "__dataclass_fields__", {})) & set(options)
    if keys:
        experiment = experiment.replace(simulation={key: options.pop(key) for key in keys})
    return experiment._room.simulate(experiment.problem, workers=workers, progress=progress, **options)


def _room_of(result: Any) -> ModuleType:
    parts = type(result).__module__.split(".")
    if len(parts) < 2 or parts[0] != __package__ or parts[1] not in SYSTEMS:
        raise InputError(f"result = {type(result).__name__}: must come from solve or simulate")
    return importlib.import_module(f"{__package__}.{parts[1]}.system")


def compare(theory: Any, runs: Any, **options: Any) -> Verdict:
    """Theory against experiment, with error bars: the verdict (it prints itself; ``.plot()`` draws it)."""
    adapter = _room_of(theory)
    if _room_of(runs) is not adapter:
        raise InputError("runs: must come from the same system as the theory")
    return adapter.compare(theory, runs, **options)


def plot(theory: Any, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Theory as lines, experiment as points with error bars; returns ``(figure, axes)``."""
    return _room_of(theory).plot(theory, runs, ax=ax)


def generations(
    experiment: Experiment | str | None = None,
    *,
    simulate: bool = False,
    workers: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Any:
    """A chain of networks, each trained on the samples that the one before generates.

    ``generations(target, denoiser, training, sampling, count)`` as keywords: tables of an experiment (``target={...}``) and keys
    of its ``[generations]`` table (``count=3, start="warm", original=0.1``) change the given experiment, or make one.
    ``simulate=True`` runs the chain in R^d as well.
    """
    given = Experiment if experiment is None else _experiment(experiment).replace
    kinds = _experiment(experiment)._room.TABLES if experiment is not None else _autoencoder_tables()
    tables = {key: options.pop(key) for key in list(options) if key in kinds}
    keys = set(getattr(kinds.get("generations"), "__dataclass_fields__", {})) & set(options)
    if keys:
        tables["generations"] = {**tables.get("generations", {}), **{key: options.pop(key) for key in keys}}
    changed = given(**tables)
    if not hasattr(changed._room, "collapse"):
        raise InputError(f"experiment: the system {changed.system} has no generations")
    return changed._room.collapse(changed.problem, simulate=simulate, workers=workers, progress=progress, **options)


def _autoencoder_tables() -> Any:
    return importlib.import_module(f"{__package__}.autoencoder.system").TABLES
