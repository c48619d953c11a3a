"""One command of the command line, and how its result is given."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.output.files import save_figure
from ..common.output.plain import to_builtin
from ..common.output.results import Result
from ..common.running.terminal import Parser
from ..experiment import Experiment
from .arguments import load_arguments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Command:
    """One word of the command line.

    Parameters
    ----------
    says : str
        One line for the help.
    run : callable
        From the command, its name and its arguments to the exit status.
    verbs : tuple of str
        Verbs of the experiment's room whose options it has.
    long : bool
        Whether it has workers and checkpoints.
    """

    says: str
    run: Callable[[Command, str, Sequence[str]], int]
    verbs: tuple[str, ...] = ()
    long: bool = True

    def parser(self, name: str) -> Parser:
        """The parser of its arguments, still without any."""
        return Parser(prog=f"asymptotics {name}", description=self.says)

    def load(
        self, name: str, arguments: Sequence[str]
    ) -> tuple[Experiment, argparse.Namespace, dict[str, dict[str, Any]]]:
        """The experiment, the common options, and those of its room by verb."""
        return load_arguments(name, self.says, self.verbs, arguments, long=self.long)


def emit(
    common: argparse.Namespace, result: Result, payload: dict[str, Any], draw: Callable[[], tuple[Figure, Axes]]
) -> None:
    """Keep, draw and print a result as the common options say."""
    if common.save:
        result.save(common.save)
    if common.plot:
        save_figure(draw()[0], common.plot)
    if common.json:
        made = result.provenance
        head = {"version": made.version, "experiment": made.experiment.get("name"), "seed": made.seed}
        print(json.dumps(to_builtin({**head, **payload})))
    else:
        print(result.summary())
    for path, said in common.said.items():
        if not common.json or said != "wrote":  # standard output is the object alone
            print(f"{said} {path}", file=sys.stderr if common.json else sys.stdout)
