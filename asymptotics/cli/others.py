"""Commands with arguments of their own: sweeps, arrays of any model, the page, figures, derivations."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..common.input.checks import InputError
from ..common.input.texts import changes_of
from ..common.output.files import check_output, save_figure
from ..common.running import progress
from ..common.running.terminal import Parser, add_loudness, set_loudness
from ..experiment import examples as built_in
from ..experiment import load
from .arguments import check_outputs
from .command import Command, emit

if TYPE_CHECKING:
    from derivations.autoencoder.engine import System


def sweep(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics sweep``."""
    from ..sweeps import dask, sweep, values_of

    parser = command.parser(name)
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


def memorisation(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics memorisation``."""
    from ..relative_distance import kernel_of, memorisation

    parser = command.parser(name)
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
    emit(options, result, result.to_json(), lambda: result.plot())
    return 0


def examples(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics examples``."""
    parser = command.parser(name)
    parser.add_argument("--json", action="store_true", help="names and descriptions as one JSON object")
    found = built_in()
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


def derive(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics derive``."""
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


def explore(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics explore``."""
    from ..explore.server import run

    return run(name, arguments, command.says)


def figure(command: Command, name: str, arguments: Sequence[str]) -> int:
    """``asymptotics figure``."""
    from figures.__main__ import run

    return run(arguments, prog=f"asymptotics {name}")
