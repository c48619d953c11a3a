"""Arguments of the command line: common options, and those that an experiment's room declares."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .common.input.checks import InputError
from .common.input.texts import assignment, value
from .experiment import Experiment, load
from .loudness import add_loudness, set_loudness

_log = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def changes_of(texts: Sequence[str]) -> dict[str, Any]:
    """The keys that ``--set`` overrides."""
    pairs = [assignment(text, "--set", "KEY=VALUE, such as training.tau=2") for text in texts]
    return {key: value(right) for key, right in pairs}


def experiment_parser(name: str, says: str, *, long: bool, add_help: bool = True) -> Parser:
    """What every command on an experiment takes; ``long`` ones have workers and checkpoints too."""
    parser = Parser(prog=f"asymptotics {name}", add_help=add_help, description=says)
    parser.add_argument("experiment", help="a TOML file, or the name of a built-in experiment")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the file")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the result (png, pdf or svg)")
    parser.add_argument("--save", metavar="OUT.npz", help="keep the result")
    add_loudness(parser)
    if long:
        parser.add_argument("--workers", type=int, help="processes (default: one a core)")
        parser.add_argument("--checkpoint", metavar="DIR", help="keep runs there as they go, and go on from there")
        parser.add_argument("--checkpoint-every", type=float, metavar="SECONDS", help="between two writes (default 20)")
    return parser


def _joined(arguments: Sequence[str], spellings: set[str]) -> list[str]:
    """``--at -1,2`` as ``--at=-1,2``: a list that begins with a negative number is a value, not an option."""
    joined: list[str] = []
    for argument in arguments:
        negative = (argument[:1] == "-" and argument[1:2].isdigit()) or argument[:2] == "-."
        if negative and joined and joined[-1] in spellings:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def load_arguments(
    name: str, says: str, verbs: Sequence[str], arguments: Sequence[str], *, long: bool
) -> tuple[Experiment, argparse.Namespace, dict[str, dict[str, Any]]]:
    """The experiment, the common options, and those of its room by verb."""
    first = experiment_parser(name, says, long=long, add_help=False)
    known, _ = first.parse_known_args([a for a in arguments if a not in ("-h", "--help")])
    experiment = load(known.experiment)
    overrides = changes_of(known.set)
    if overrides:
        experiment = experiment.replace(overrides)
    parser = experiment_parser(name, says, long=long)
    # A comparison has the options of both verbs: those they share are asked for once.
    doors = {verb: experiment.room.verb(verb) for verb in verbs}
    offered = {o.name: o for verb in doors.values() for o in verb.options if o.kind is not object}
    for option in offered.values():
        for spelling in (option.name, *option.aliases):
            help_ = option.says if spelling == option.name else argparse.SUPPRESS
            written = option.spelling if spelling == option.name else f"--{spelling.replace('_', '-')}"
            if option.kind is bool:
                parser.add_argument(written, dest=spelling, action="store_true", default=None, help=help_)
            else:
                parser.add_argument(written, dest=spelling, metavar=option.metavar or None, help=help_)
    spellings = {option.spelling for option in offered.values()}
    options = vars(parser.parse_args(_joined(arguments, spellings)))
    given = {
        verb: {k: options[k] for k in v.names & options.keys() if options[k] is not None} for verb, v in doors.items()
    }
    room = {spelling for verb in doors.values() for spelling in verb.names}
    shared = argparse.Namespace(**{key: entry for key, entry in options.items() if key not in room})
    set_loudness(shared)
    check_outputs(shared)
    _log.info("experiment %s, system %s", experiment.name, experiment.system)
    return experiment, shared, given


def check_outputs(common: argparse.Namespace) -> None:
    """Refuse an output that cannot be written before any work is done."""
    for option, suffixes in (("plot", (".png", ".pdf", ".svg")), ("save", (".npz",))):
        path = getattr(common, option)
        if path is None:
            continue
        if Path(path).suffix not in suffixes:
            raise InputError(f"--{option} {path}: must end in {' or '.join(suffixes)}")
        folder = Path(path).resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f"--{option} {path}: the folder does not exist or cannot be written")
