"""The commands, and what runs one and says what is wrong with it."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import errno
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

from .. import __version__, api, verbs
from ..common.input.checks import ComputationError, InputError, choice
from ..common.input.texts import changes_of, typed
from ..common.output.files import check_output, save_figure
from ..common.output.letters import in_plain_letters
from ..common.output.plain import to_builtin
from ..common.output.results import Result
from ..common.running import progress
from ..common.running.terminal import Parser, add_loudness, set_loudness
from ..common.system import COMMON
from ..experiment import SYSTEMS, Experiment, examples, load, system_of
from .arguments import check_outputs, load_arguments
from .help import completion_command, general_help, init_command, keys_command

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from derivations.autoencoder.engine import System

_log = logging.getLogger("asymptotics.cli")


@dataclass(frozen=True)
class Command:
    """One word of the command line.

    Parameters
    ----------
    says : str
        One line for the help.
    run : callable
        From the command's name and its arguments to the exit status.
    verbs : tuple of str
        Verbs of the experiment's room whose options it has.
    long : bool
        Whether it has workers and checkpoints.
    """

    says: str
    run: Callable[[str, Sequence[str]], int]
    verbs: tuple[str, ...] = ()
    long: bool = True


def _load(name: str, arguments: Sequence[str]) -> tuple[Experiment, argparse.Namespace, dict[str, dict[str, Any]]]:
    command = commands()[name] if name in commands() else own_commands()[name]
    return load_arguments(name, command.says, command.verbs, arguments, long=command.long)


def _emit(
    common: argparse.Namespace, result: Result, payload: dict[str, Any], draw: Callable[[], tuple[Figure, Axes]]
) -> None:
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


def _resources(common: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(common, name) for name in ("workers", "checkpoint", "checkpoint_every")}


def _solve(name: str, arguments: Sequence[str]) -> int:
    experiment, common, options = _load(name, arguments)
    result = api.solve(experiment, **options["solve"])
    _emit(common, result, result.to_json(), lambda: api.plot(result))
    return 0


def _long(name: str, arguments: Sequence[str]) -> int:
    experiment, common, options = _load(name, arguments)
    result = api.run(experiment, name, **_resources(common), **options[name])
    _emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def _optimise(name: str, arguments: Sequence[str]) -> int:
    experiment, common, options = _load(name, arguments)
    given = options[name]
    simulate = not given.pop("only_theory", False)
    if common.checkpoint is not None:
        raise InputError("--checkpoint: must be left out; an optimisation keeps none")
    result = verbs.optimise(experiment, simulate=simulate, workers=common.workers, **given)
    _emit(common, result, result.to_json(), lambda: result.plot())
    return 0


def _compare(name: str, arguments: Sequence[str]) -> int:
    experiment, common, options = _load(name, arguments)
    times = None if common.strip is None else typed("--strip", common.strip, float, many=True)
    if times is not None and common.plot is None:
        raise InputError("--strip: needs --plot OUT.png, where it is drawn")
    theory = api.solve(experiment, **options["solve"])
    runs = api.run(experiment, "simulate", **_resources(common), **options["simulate"])
    verdict = api.compare(theory, runs)
    payload = {"experiment": experiment.name, **verdict.to_json(), "theory": theory.to_json()}
    if common.movie is not None:
        api.movie(theory, runs, common.movie)
    _emit(common, verdict, {**payload, "simulation": runs.to_json()}, lambda: api.plot(theory, runs, tau=times))
    return 0 if verdict.passed else 1


def _sweep(name: str, arguments: Sequence[str]) -> int:
    from ..sweeps import dask, sweep, values_of

    parser = Parser(prog=f"asymptotics {name}", description=commands()[name].says)
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
    parser.add_argument(
        "--plot", metavar="OUT.png", help="draw it: curves over one key, a picture over two (png, pdf or svg)"
    )
    parser.add_argument("--columns", metavar="NAME,NAME,…", help="the results to draw (default: those that vary)")
    add_loudness(parser)
    options = parser.parse_args(arguments)
    set_loudness(options)
    said = "" if options.plot is None else check_output("--plot", options.plot, (".png", ".pdf", ".svg"))
    experiment = load(options.experiment).replace(changes_of(options.set))
    over: dict[str, Any] = {}
    for key, found in map(values_of, options.over):
        if key in over:
            raise InputError(f"--over {key}: given twice")
        over[key] = found
    with contextlib.ExitStack() as stack:
        executor = None
        if options.scheduler is not None:
            address = None if options.scheduler == "local" else options.scheduler
            executor = stack.enter_context(dask(address, options.workers))
        table = sweep(
            experiment, over, out=options.out, simulate=options.simulate, executor=executor, workers=options.workers,
        )  # fmt: skip
    if options.plot is not None:
        columns = None if options.columns is None else options.columns.split(",")
        save_figure(table.plot(columns=columns)[0], options.plot)
    print(
        json.dumps(table.to_json())
        if options.json
        else f"{table.summary()}\nwrote {options.out}/table.csv and table.npz"
    )
    if said and (said != "wrote" or not options.json):
        print(f"{said} {options.plot}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _memorisation(name: str, arguments: Sequence[str]) -> int:
    from ..relative_distance import kernel_of, memorisation

    parser = Parser(prog=f"asymptotics {name}", description=commands()[name].says)
    for which, says in (
        ("generated", "what the model generates"),
        ("training", "its training set"),
        ("original", "more data of the original law"),
    ):
        parser.add_argument(which, metavar=f"{which[0].upper()}.npy", help=f"{says}: an array (n, ...)")
    parser.add_argument(
        "--density", default="coordinates", help="coordinates (default), or joint: all dimensions at once"
    )
    parser.add_argument(
        "--kernel", default="optimal", help="optimal (default), scott, or a width in standard deviations"
    )
    parser.add_argument(
        "--bootstrap", type=int, default=100, metavar="DRAWS", help="draws for the errors (default 100)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    parser.add_argument(
        "--sets", action="store_true", help="the first axis of G and T (and O, if it has as many axes) counts data sets"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the result (png, pdf or svg)")
    parser.add_argument("--save", metavar="OUT.npz", help="keep the result")
    add_loudness(parser)
    options = parser.parse_args(arguments)
    set_loudness(options)
    check_outputs(options)
    result = memorisation(
        options.generated, options.training, options.original, density=options.density, kernel=kernel_of(options.kernel),
        bootstrap=options.bootstrap, seed=options.seed, sets=options.sets,
    )  # fmt: skip
    _emit(options, result, result.to_json(), lambda: result.plot())
    return 0


def _examples(name: str, arguments: Sequence[str]) -> int:
    parser = Parser(prog=f"asymptotics {name}", description=commands()[name].says)
    parser.add_argument("--json", action="store_true", help="names and descriptions as one JSON object")
    found = examples()
    if parser.parse_args(arguments).json:
        print(json.dumps(found))
        return 0
    width = max(map(len, found))
    for example, description in found.items():
        print(f"{example:<{width}}  {description}")
    return 0


def _declared(name: str) -> System | None:
    """The derived system of the denoiser in a file; None where the name is no file."""
    if not name.endswith(".toml"):
        return None
    problem = load(name).problem
    if not hasattr(problem, "denoiser"):
        raise InputError(f"derive {name}: its system has no denoiser to derive; try derive list")
    found: System = problem.denoiser.derived()
    return found


def _derive(name: str, arguments: Sequence[str]) -> int:
    from derivations.__main__ import run
    from derivations.steps import listening

    parser = Parser(add_help=False)
    add_loudness(parser)
    loudness, rest = parser.parse_known_args(arguments)
    report = Parser(add_help=False, allow_abbrev=False)
    report.add_argument("--report")
    path = report.parse_known_args(rest)[0].report
    if path is not None:
        check_output("--report", path, (".md", ".tex"))
    set_loudness(loudness)
    log = logging.getLogger("derivations")
    with progress.bar(None, "deriving", unit="step") as watch:

        def listener(title: str) -> None:
            log.info("%s", title)
            watch.update()

        try:
            with listening(listener):
                return run(rest, prog=f"asymptotics {name}", also=add_loudness, declared=_declared)
        except ValueError as error:
            raise InputError(str(error)) from None


def _explore(name: str, arguments: Sequence[str]) -> int:
    from ..explore.server import run

    return run(name, arguments, commands()[name].says)


def _keys(name: str, arguments: Sequence[str]) -> int:
    return keys_command(f"asymptotics {name}", commands()[name].says, arguments)


def _init(name: str, arguments: Sequence[str]) -> int:
    return init_command(f"asymptotics {name}", commands()[name].says, arguments)


def _completion(name: str, arguments: Sequence[str]) -> int:
    known = {word: (c.says, c.verbs, c.long) for word, c in {**commands(), **own_commands()}.items()}
    return completion_command(f"asymptotics {name}", commands()[name].says, arguments, known)


def _figure(name: str, arguments: Sequence[str]) -> int:
    from figures.__main__ import run

    return run(arguments, prog=f"asymptotics {name}")


@lru_cache(maxsize=1)
def commands() -> dict[str, Command]:
    """The commands that no room declares, in the order of the help."""
    return {
        "examples": Command("List the built-in experiments.", _examples),
        "solve": Command("Theory: what the asymptotic equations predict.", _solve, ("solve",), long=False),
        "simulate": Command("Experiment: the full d-dimensional process.", _long, ("simulate",)),
        "compare": Command(
            "Both, with a statistical verdict (exit status 0: they agree, 1: they do not).",
            _compare,
            ("solve", "simulate"),
        ),
        "optimise": Command(
            "Controls along the training that make an objective least, beside the best constant.",
            _optimise,
            ("optimise",),
        ),
        "sweep": Command("An experiment over a grid of any of its keys; goes on where it was interrupted.", _sweep),
        "memorisation": Command(
            "Does a model generalise? Distances between its samples, its training set and the original data.",
            _memorisation,
        ),
        "explore": Command("A local page with a slider for every number of an experiment.", _explore),
        "figure": Command("Draw a figure of the gallery.", _figure),
        "derive": Command("Print a derivation.", _derive),
        "keys": Command("List the keys of experiment files (SYSTEM, SYSTEM.TABLE), or JSON fields.", _keys),
        "init": Command("Write a template of an experiment file, with every key.", _init),
        "completion": Command("Print a script that completes commands and options in a shell.", _completion),
    }


@lru_cache(maxsize=1)
def own_commands() -> dict[str, Command]:
    """A verb that not every room has is a command too."""
    own = {name: verb.says for system in SYSTEMS for name, verb in system_of(system).verbs.items()}
    return {name: Command(says, _long, (name,)) for name, says in own.items() if name not in COMMON}


@contextlib.contextmanager
def _old_names_said() -> Iterator[None]:
    """Within the block the use of an old name is one line on standard error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=r"\S+: is now called ", category=DeprecationWarning)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, DeprecationWarning):
                print(f"asymptotics: {message}", file=sys.stderr)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield


def _sayable(*streams: TextIO) -> None:
    """Let streams of any encoding take what we write: a letter that they do not have is written in plain words (τ as tau)."""
    codecs.register_error("asymptotics", in_plain_letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="asymptotics")


def _told(error: Exception, status: int) -> int:
    """Say an error, in one line; on a terminal several of them in a line each. Returns the exit status."""
    lines = error.lines if isinstance(error, InputError) else [" ".join(str(error).split())]
    for line in lines if sys.stderr.isatty() else ["; ".join(lines)]:
        print(f"asymptotics: error: {line}", file=sys.stderr)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (2 for bad input, 130 after Ctrl-C)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _sayable(sys.stdout, sys.stderr)
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except InputError as error:
        return _told(error, 2)
    except ComputationError as error:
        return _told(error, 3)
    except (MemoryError, ArithmeticError, ValueError) as error:
        # Values that are allowed one by one can still be too extreme together; anything else is a fault of ours.
        if isinstance(error, ValueError) and type(error).__name__ != "LinAlgError":
            raise
        reason = " ".join(str(error).split()) or "out of memory"
        return _told(ComputationError(f"the numbers of this experiment are too extreme to compute ({reason})"), 3)
    except KeyboardInterrupt as stop:
        print(f"asymptotics: {str(stop) or 'interrupted; nothing was left half-written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing more to say.
        _silence()
        return 0
    except OSError as error:
        # Files are written elsewhere, with errors of their own: this is standard output, on a full disk.
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
            raise
        _silence()
        return _told(ComputationError(f"standard output cannot be written ({error.strerror})"), 3)
    finally:
        progress.set_default(None)


def _silence() -> None:
    """Nothing more goes to standard output, not even what is left in its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        known = commands() | own_commands()
        width = max(map(len, known))
        print("usage: asymptotics COMMAND ...\n\n" + "\n".join(f"  {k:<{width}} {c.says}" for k, c in known.items()))
        print("\nasymptotics COMMAND --help says more.")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"asymptotics {__version__}")
        return 0
    name = arguments[0]
    if name not in commands():
        choice("command", name, list(dict.fromkeys([*commands(), *own_commands()])))
    command = commands().get(name) or own_commands()[name]
    alone = {"-h", "--help"} & set(arguments) and all(a.startswith("-") for a in arguments[1:])
    if alone and command.verbs:
        print(general_help(name, command.says, command.verbs, long=command.long))
        return 0
    with _old_names_said():
        return command.run(name, arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main())
