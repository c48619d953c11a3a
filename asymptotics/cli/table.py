"""The table of commands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..common.verb import COMMON
from ..experiment import SYSTEMS, system_of
from . import experiments, others
from .command import Command
from .help import completion, init, keys


def _completion(command: Command, name: str, arguments: Sequence[str]) -> int:
    return completion(command, name, arguments, commands() | own_commands())


@lru_cache(maxsize=1)
def commands() -> dict[str, Command]:
    """The commands that no room declares, in the order of the help."""
    return {
        "examples": Command("List the built-in experiments.", others.examples),
        "solve": Command("Theory: what the asymptotic equations predict.", experiments.solve, ("solve",), long=False),
        "simulate": Command("Experiment: the full d-dimensional process.", experiments.long, ("simulate",)),
        "compare": Command(
            "Both, with a statistical verdict (exit status 0: they agree, 1: they do not).",
            experiments.compare,
            ("solve", "simulate"),
        ),
        "optimise": Command(
            "Controls along the training that make an objective least, beside the best constant.",
            experiments.optimise,
            ("optimise",),
        ),
        "sweep": Command(
            "An experiment over a grid of any of its keys; goes on where it was interrupted.", others.sweep
        ),
        "memorisation": Command(
            "Does a model generalise? Distances between its samples, its training set and the original data.",
            others.memorisation,
        ),
        "explore": Command("A local page with a slider for every number of an experiment.", others.explore),
        "figure": Command("Draw a figure of the gallery.", others.figure),
        "derive": Command("Print a derivation.", others.derive),
        "keys": Command("List the keys of experiment files (SYSTEM, SYSTEM.TABLE), or JSON fields.", keys),
        "init": Command("Write a template of an experiment file, with every key.", init),
        "completion": Command("Print a script that completes commands and options in a shell.", _completion),
    }


@lru_cache(maxsize=1)
def own_commands() -> dict[str, Command]:
    """A verb that not every room has is a command too."""
    own = {name: verb.says for system in SYSTEMS for name, verb in system_of(system).verbs.items()}
    return {name: Command(says, experiments.long, (name,)) for name, says in own.items() if name not in COMMON}
