"""Command line: ``asymptotics examples | solve | simulate | compare | collapse | sweep | figure | derive``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .api import generations, simulate
from .common.input.checks import ComputationError, InputError, choice
from .common.output.results import to_builtin, write_atomically
from .common.running import progress
from .experiment import Experiment, examples, load
from .loudness import add_loudness, set_loudness

_log = logging.getLogger("asymptotics.cli")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _value(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {text}: must be KEY=VALUE, such as training.tau=2")
    return key.strip(), _value(value.strip())


def _experiment_parser(command: str, *, known: bool) -> _Parser:
    parser = _Parser(prog=f"asymptotics {command}", add_help=not known, description=_COMMANDS[command])
    parser.add_argument("experiment", help="a TOML file, or the name of a built-in experiment")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the file")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the result (png, pdf or svg)")
    parser.add_argument("--save", metavar="OUT.npz", help="keep the result")
    add_loudness(parser)
    if command in ("simulate", "compare", "collapse"):
        parser.add_argument("--workers", type=int, help="processes (default: one a core)")
        parser.add_argument("--checkpoint", metavar="DIR", help="keep runs there as they go, and go on from there")
        parser.add_argument("--checkpoint-every", type=float, metavar="SECONDS", help="between two writes (default 20)")
    return parser


def _verbs(command: str) -> tuple[str, ...]:
    return ("solve", "simulate") if command == "compare" else (command,)


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


def _load(arguments: Sequence[str], command: str) -> tuple[Experiment, argparse.Namespace, dict[str, Any]]:
    """The experiment, the common options, and the options of its room."""
    known, _ = _experiment_parser(command, known=True).parse_known_args(
        [a for a in arguments if a not in ("-h", "--help")]
    )
    experiment = load(known.experiment)
    changes = dict(_assignment(text) for text in known.set)
    if changes:
        experiment = experiment.replace(changes)
    parser = _experiment_parser(command, known=False)
    # A comparison has the options of both verbs: those they share are asked for once.
    options_of = [option for verb in _verbs(command) for option in experiment.room.verb(verb).options]
    offered = {option.name: option for option in options_of if option.kind is not object}
    for option in offered.values():
        spellings = [option.spelling, *(f"--{alias.replace('_', '-')}" for alias in option.aliases)]
        if option.kind is bool:
            parser.add_argument(*spellings, dest=option.name, action="store_true", default=None, help=option.says)
        else:
            parser.add_argument(*spellings, dest=option.name, metavar=option.metavar or None, help=option.says)
    options = vars(parser.parse_args(_joined(arguments, {option.spelling for option in offered.values()})))
    own = {name: value for name, value in options.items() if name in offered and value is not None}
    shared = argparse.Namespace(**{name: value for name, value in options.items() if name not in offered})
    set_loudness(shared)
    _log.info("experiment %s, system %s", experiment.name, experiment.system)
    return experiment, shared, own


def _of_verb(experiment: Experiment, options: dict[str, Any], verb: str) -> dict[str, Any]:
    """Those of the options that the verb has."""
    names = {option.name for option in experiment.room.verb(verb).options}
    return {name: value for name, value in options.items() if name in names}


def _check_outputs(common: argparse.Namespace) -> None:
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


def _emit(common: argparse.Namespace, result: Any, payload: dict[str, Any], draw: Callable[[], Any]) -> None:
    if common.save:
        result.save(common.save)
    if common.plot:
        save_figure(draw()[0], common.plot)
    if common.json:
        print(json.dumps(to_builtin(payload)))
    else:
        print(result.summary())
        for option in ("plot", "save"):
            if getattr(common, option):
                print(f"wrote {getattr(common, option)}")


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure atomically, in the format of the file's suffix."""
    import matplotlib.pyplot as plt

    kind = Path(path).suffix[1:] or "png"
    write_atomically(path, lambda file: figure.savefig(file, format=kind))
    plt.close(figure)


def _resources(common: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(common, name) for name in ("workers", "checkpoint", "checkpoint_every")}


def _solve(arguments: Sequence[str]) -> int:
    experiment, common, options = _load(arguments, "solve")
    _check_outputs(common)
    result = experiment.room.solve(experiment.problem, **options)
    _emit(common, result, result.to_json(), lambda: experiment.room.plot(result))
    return 0


def _simulate(arguments: Sequence[str]) -> int:
    experiment, common, options = _load(arguments, "simulate")
    _check_outputs(common)
    result = simulate(experiment, **_resources(common), **options)
    _emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def _compare(arguments: Sequence[str]) -> int:
    experiment, common, options = _load(arguments, "compare")
    _check_outputs(common)
    theory = experiment.room.solve(experiment.problem, **_of_verb(experiment, options, "solve"))
    runs = simulate(experiment, **_resources(common), **_of_verb(experiment, options, "simulate"))
    verdict = experiment.room.compare(theory, runs)
    payload = {"experiment": experiment.name, **verdict.to_json(), "theory": theory.to_json()}
    _emit(common, verdict, {**payload, "simulation": runs.to_json()}, lambda: experiment.room.plot(theory, runs))
    return 0 if verdict.passed else 1


def _collapse(arguments: Sequence[str]) -> int:
    experiment, common, options = _load(arguments, "collapse")
    _check_outputs(common)
    checked = experiment.room.verb("collapse").checked(options)
    result = generations(experiment, **_resources(common), **checked)
    _emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def _sweep(arguments: Sequence[str]) -> int:
    from .common.running.pool import dask
    from .sweeps import sweep, values_of

    parser = _Parser(prog="asymptotics sweep", description=_COMMANDS["sweep"])
    parser.add_argument("experiment", help="a TOML file, or the name of a built-in experiment")
    parser.add_argument(
        "--over",
        action="append",
        required=True,
        metavar="KEY=VALUES",
        help="FIRST:LAST:COUNT[:log] or A,B,…; repeatable",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the points and the table")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the file")
    parser.add_argument("--simulate", action="store_true", help="the full d-dimensional process too")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler (tcp://…), or local: a cluster of our own"
    )
    parser.add_argument("--json", action="store_true", help="the table as one JSON object on standard output")
    add_loudness(parser)
    options = parser.parse_args(arguments)
    set_loudness(options)
    experiment = load(options.experiment).replace(dict(_assignment(text) for text in options.set))
    over: dict[str, Any] = {}
    for key, values in map(values_of, options.over):
        if key in over:
            raise InputError(f"--over {key}: given twice")
        over[key] = values
    with contextlib.ExitStack() as stack:
        executor = None
        if options.scheduler is not None:
            address = None if options.scheduler == "local" else options.scheduler
            executor = stack.enter_context(dask(address, options.workers))
        table = sweep(
            experiment, over, out=options.out, simulate=options.simulate, executor=executor, workers=options.workers,
        )  # fmt: skip
    print(
        json.dumps(table.to_json())
        if options.json
        else f"{table.summary()}\nwrote {options.out}/table.csv and table.npz"
    )
    return 0


def _examples(arguments: Sequence[str]) -> int:
    parser = _Parser(prog="asymptotics examples", description=_COMMANDS["examples"])
    parser.add_argument("--json", action="store_true", help="names and descriptions as one JSON object")
    found = examples()
    if parser.parse_args(arguments).json:
        print(json.dumps(found))
        return 0
    width = max(map(len, found))
    for name, description in found.items():
        print(f"{name:<{width}}  {description}")
    return 0


def _derive(arguments: Sequence[str]) -> int:
    from derivations.__main__ import run
    from derivations.steps import listening

    parser = _Parser(add_help=False)
    add_loudness(parser)
    loudness, rest = parser.parse_known_args(arguments)
    set_loudness(loudness)
    log = logging.getLogger("derivations")
    with progress.bar(None, "deriving", unit="step") as watch:

        def listener(title: str) -> None:
            log.info("%s", title)
            watch.update()

        try:
            with listening(listener):
                return run(rest, prog="asymptotics derive", also=add_loudness)
        except ValueError as error:
            raise InputError(str(error)) from None


def _figure(arguments: Sequence[str]) -> int:
    from figures.__main__ import run

    return run(arguments, prog="asymptotics figure")


_COMMANDS = {
    "examples": "List the built-in experiments.",
    "solve": "Theory: what the asymptotic equations predict.",
    "simulate": "Experiment: the full d-dimensional process.",
    "compare": "Both, with a statistical verdict (exit status 0: they agree, 1: they do not).",
    "collapse": "Generations trained on each other's samples.",
    "sweep": "An experiment over a grid of any of its keys; goes on where it was interrupted.",
    "figure": "Draw a figure of the gallery.",
    "derive": "Print a derivation.",
}
_RUN = {
    "examples": _examples,
    "solve": _solve,
    "simulate": _simulate,
    "compare": _compare,
    "collapse": _collapse,
    "sweep": _sweep,
    "figure": _figure,
    "derive": _derive,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (2 for bad input, 130 after Ctrl-C)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: asymptotics COMMAND ...\n\n" + "\n".join(f"  {k:<9} {v}" for k, v in _COMMANDS.items()))
        print("\nasymptotics COMMAND --help says more.")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"asymptotics {__version__}")
        return 0
    try:
        command = choice("command", arguments[0], _COMMANDS)
        alone = {"-h", "--help"} & set(arguments) and all(a.startswith("-") for a in arguments[1:])
        if alone and command in ("solve", "simulate", "compare", "collapse"):
            _experiment_parser(command, known=False).print_help()
            return 0
        return _RUN[command](arguments[1:])
    except InputError as error:
        print(f"asymptotics: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ComputationError as error:
        print(f"asymptotics: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 3
    except (MemoryError, ArithmeticError, ValueError) as error:
        # Values that are allowed one by one can still be too extreme together; anything else is a fault of ours.
        if isinstance(error, ValueError) and type(error).__name__ != "LinAlgError":
            raise
        reason = " ".join(str(error).split()) or "out of memory"
        print(
            f"asymptotics: error: the numbers of this experiment are too extreme to compute ({reason})", file=sys.stderr
        )
        return 3
    except KeyboardInterrupt as stop:
        print(f"asymptotics: {str(stop) or 'interrupted; nothing was left half-written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        progress.set_default(None)


if __name__ == "__main__":
    raise SystemExit(main())
