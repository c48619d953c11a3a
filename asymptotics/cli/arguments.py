"""Arguments of the command line: common options, and those that an experiment's room declares."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

from ..common.input.checks import InputError, closest
from ..common.input.texts import changes_of
from ..common.output.files import check_output
from ..common.output.verdict import LEVEL
from ..common.running.terminal import Parser, add_loudness, set_loudness
from ..common.verb import Option
from ..experiment import Experiment, all_systems, load
from ..places import option_elsewhere

_log = logging.getLogger(__name__)


def experiment_parser(name: str, says: str, *, long: bool, add_help: bool = True) -> Parser:
    """What every command on an experiment takes; ``long`` ones have workers and checkpoints too."""
    # No abbreviations: --at, of one system, would be --atol of another.
    parser = Parser(prog=f"asymptotics {name}", add_help=add_help, description=says, allow_abbrev=False)
    parser.add_argument("experiment", help="a TOML file, or the name of a built-in experiment")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the file")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the result (png, pdf or svg)")
    parser.add_argument("--save", metavar="OUT.npz", help="keep the result")
    if name == "compare":
        parser.add_argument(
            "--level", type=float, default=LEVEL, help=f"probability that a right theory fails (default {LEVEL:g})"
        )
        parser.add_argument(
            "--strip", metavar="TAU,TAU,…", help="--plot draws generated densities at these training times instead"
        )
        parser.add_argument("--movie", metavar="OUT.gif", help="generated densities along training (gif or mp4)")
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


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Add the options of verbs, those that only Python can give left out; earlier spellings without a word."""
    for option in options:
        if option.kind is object:
            continue
        for spelling in (option.name, *option.aliases):
            help_ = option.says if spelling == option.name else argparse.SUPPRESS
            written = option.spelling if spelling == option.name else f"--{spelling.replace('_', '-')}"
            if option.kind is bool:
                parser.add_argument(written, dest=spelling, action="store_true", default=None, help=help_)
            else:
                action = "append" if option.repeated else "store"
                parser.add_argument(written, dest=spelling, metavar=option.metavar or None, action=action, help=help_)


def _not_known(argument: str, command: str, experiment: Experiment, allowed: Sequence[str]) -> InputError:
    """The error of an argument that the command does not take, with where it belongs."""
    if not argument.startswith("--"):
        return InputError(f"{argument}: the command {command} takes one experiment and options")
    spelling = argument.partition("=")[0]
    common = ("--json", "--set", "--plot", "--save", "--workers", "--checkpoint", "--quiet", "--verbose")
    near = closest(spelling, [*allowed, *common])
    error = InputError(
        f"{spelling}: unknown option of {command} for the system {experiment.system}{near}",
        key=spelling[2:].replace("-", "_"),
        kind="unknown",
    )
    return option_elsewhere(error, experiment.room, all_systems)


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
    add_options(parser, list(offered.values()))
    spellings = {option.spelling for option in offered.values()}
    parsed, left = parser.parse_known_args(_joined(arguments, spellings))
    if left:
        raise _not_known(left[0], name, experiment, [option.spelling for option in offered.values()])
    options = vars(parsed)
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
    """Refuse an output that cannot be written before any work is done; ``said`` is what will be said of those that can."""
    common.said = {}
    for option, suffixes in (
        ("plot", (".png", ".pdf", ".svg")), ("save", (".npz",)), ("movie", (".gif", ".mp4")),
    ):  # fmt: skip
        path = getattr(common, option, None)
        if path is not None:
            common.said[path] = check_output(f"--{option}", path, suffixes)
