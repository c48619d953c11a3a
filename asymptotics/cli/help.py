"""Commands that say what there is: ``keys``, ``init``, ``completion``, and the help that knows the options of every system."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.input.checks import InputError, choice
from ..common.output.files import write_atomically
from ..common.running.terminal import Parser
from ..experiment import SYSTEMS, all_systems, example, examples, system_of
from .arguments import add_options, experiment_parser
from .reference import as_text, in_toml, json_fields, keys

SHELLS = ("bash", "zsh", "tcsh")


def keys_command(prog: str, says: str, arguments: Sequence[str]) -> int:
    """``asymptotics keys [SYSTEM[.TABLE[.KEY]]]``."""
    parser = Parser(prog=prog, description=says)
    parser.add_argument(
        "place", nargs="?", default="", help="SYSTEM, SYSTEM.TABLE, SYSTEM.TABLE.KEY or TABLE (default: all)"
    )
    parser.add_argument(
        "--fields", metavar="VERB", help="instead: the JSON fields of a verb (solve, simulate, compare, …)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    options = parser.parse_args(arguments)
    if options.fields is not None:
        system = options.place or SYSTEMS[0]
        fields = json_fields(system, options.fields)
        if options.json:
            print(json.dumps([dataclasses.asdict(field) for field in fields]))
        else:
            width = max(len(field.name) for field in fields)
            print("\n".join(f"{f.name:<{width}}  {f.meaning}" for f in fields))
        return 0
    found = keys(options.place)
    print(json.dumps([dataclasses.asdict(key) for key in found]) if options.json else as_text(found))
    return 0


def init_command(prog: str, says: str, arguments: Sequence[str]) -> int:
    """``asymptotics init TEMPLATE.toml``: a file of a system with every key, those that may be left out as comments."""
    parser = Parser(prog=prog, description=says)
    parser.add_argument("file", metavar="TEMPLATE.toml", help="the file to write")
    parser.add_argument("--system", default=SYSTEMS[0], help=f"one of {', '.join(SYSTEMS)} (default {SYSTEMS[0]})")
    parser.add_argument("--from", dest="example", default="", metavar="NAME", help="values of this built-in experiment")
    options = parser.parse_args(arguments)
    choice("--system", options.system, SYSTEMS)
    path = Path(options.file)
    if path.suffix != ".toml":
        raise InputError(f"{path}: must end in .toml")
    if path.exists():
        raise InputError(f"{path}: there is a file already; an experiment is never overwritten")
    system = example(options.example).system if options.example else options.system
    text = template(system, options.example)
    write_atomically(path, lambda file: file.write(text.encode()))
    print(f"wrote {path}; then: asymptotics compare {path} --plot {path.with_suffix('.png')}")
    return 0


def template(system: str, name: str = "") -> str:
    """The text of an experiment file with every key of a system: those of a built-in example, the others as comments.

    Parameters
    ----------
    system : str
    name : str
        The example, by default the one that the system's room names.
    """
    given = example(name or system_of(system).example or next(iter(examples()))).to_table()
    lines = [f'system = "{system}"', 'description = ""']
    place = ""
    for key in keys(system):
        if key.table != place:
            place = key.table
            lines += ["", f"[{place}]"]
        values = _at(given, place)
        known = in_toml(values[key.name]) if key.name in values else ""
        meaning = " ".join(part for part in (key.symbol and f"{key.symbol}:", key.meaning.replace("``", "")) if part)
        setting = f"{key.name} = {known}" if known else f"# {key.name} = {key.default or '…'}"
        lines.append(setting + (f"  # {meaning}" if meaning else ""))
    return "\n".join(lines) + "\n"


def _at(tables: Mapping[str, Any], table: str) -> Mapping[str, Any]:
    found: Any = tables
    for part in table.split("."):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def completion_command(
    prog: str, says: str, arguments: Sequence[str], commands: Mapping[str, tuple[str, Sequence[str], bool]]
) -> int:
    """``asymptotics completion bash``: a script that completes commands, options, systems and examples (needs shtab)."""
    parser = Parser(prog=prog, description=says)
    parser.add_argument("shell", help=" or ".join(SHELLS))
    options = parser.parse_args(arguments)
    choice("shell", options.shell, SHELLS)
    try:
        import shtab
    except ImportError:
        raise InputError("completion: needs shtab; install it by pip install 'asymptotics[completion]'") from None
    print(shtab.complete(whole_parser(commands), shell=options.shell))
    return 0


def whole_parser(commands: Mapping[str, tuple[str, Sequence[str], bool]]) -> argparse.ArgumentParser:
    """One parser of all commands with the options of all systems, for shells to complete from.

    Parameters
    ----------
    commands : mapping
        What each command says, the verbs whose options it has, and whether it takes long.
    """
    parser = argparse.ArgumentParser(prog="asymptotics")
    parser.add_argument("--version", action="store_true", help="print the version")
    under = parser.add_subparsers()
    names = list(examples())
    for name, (says, verbs, long) in commands.items():
        if not verbs:
            under.add_parser(name, help=says)
            continue
        child: Any = under.add_parser(
            name, help=says, parents=[experiment_parser(name, says, long=long, add_help=False)]
        )
        offered = {
            o.name: o for system in all_systems() for v in verbs if v in system.verbs for o in system.verb(v).options
        }
        taken = {text for action in child._actions for text in action.option_strings}
        add_options(child, [o for o in offered.values() if o.spelling not in taken])
        for action in child._actions:
            if action.dest == "experiment":
                action.choices = names
    return parser


def general_help(name: str, says: str, verbs: Sequence[str], *, long: bool) -> str:
    """The help of a command on an experiment that is not named yet: what all have, then the options of every system."""
    lines = [experiment_parser(name, says, long=long).format_help().rstrip()]
    for system in all_systems():
        have = [verb for verb in verbs if verb in system.verbs]
        if not have:
            continue
        group = argparse.ArgumentParser(add_help=False, usage=argparse.SUPPRESS)
        offered = {o.name: o for verb in have for o in system.verb(verb).options if o.kind is not object}
        add_options(group, list(offered.values()))
        told = group.format_help().partition("\n")[2].strip("\n")
        lines += ["", f"of the system {system.name}:", told if offered else "  no options of its own"]
    lines += [
        "",
        f"asymptotics {name} FILE|NAME --help shows those of one experiment alone; asymptotics keys lists the keys for --set.",
    ]
    return "\n".join(lines)
