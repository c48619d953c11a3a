"""The server of the page: on this machine alone, and without any other."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence

from ..common.input.checks import InputError, integer
from ..common.input.texts import changes_of
from ..common.running.terminal import Parser
from ..experiment import load

HOST = "127.0.0.1"


def explore(experiment: str, *, port: int = 0, changes: Sequence[str] = (), show: bool = True) -> None:
    """Serve the page of an experiment until Ctrl-C.

    Parameters
    ----------
    experiment : str
        A TOML file or a built-in name.
    port : int
        0: one that is free.
    changes : sequence of str
        ``KEY=VALUE`` as of ``--set``.
    show : bool
        Open the browser.

    Raises
    ------
    InputError
        If the extra is not installed, or the port is taken.
    """
    try:
        from bokeh.server.server import Server
    except ImportError:
        raise InputError('explore: needs bokeh; install the extra "explore"') from None
    from .page import Page

    chosen = load(experiment)
    if changes:
        chosen = chosen.replace(changes_of(changes))
    port = integer("--port", port, at_least=0, at_most=65535)
    try:
        server = Server({"/": lambda document: _page(Page, document, chosen, experiment)}, port=port, address=HOST)
    except OSError as error:
        raise InputError(f"--port {port}: cannot be used ({error.strerror or error})") from None
    address = f"http://{HOST}:{server.port}/"
    print(f"exploring {chosen.name} at {address} (Ctrl-C ends it)", flush=True)
    if show:
        webbrowser.open(address)
    server.run_until_shutdown()


def _page(page: type, document: object, chosen: object, source: str) -> None:
    page(document, chosen, source)


def run(name: str, arguments: Sequence[str], says: str) -> int:
    """The command."""
    parser = Parser(prog=f"asymptotics {name}", description=says)
    parser.add_argument("experiment", help="a TOML file, or the name of a built-in experiment")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the file")
    parser.add_argument("--port", type=int, default=0, help="of the page (default: one that is free)")
    parser.add_argument("--no-browser", action="store_true", help="do not open it")
    options = parser.parse_args(arguments)
    explore(options.experiment, port=options.port, changes=options.set, show=not options.no_browser)
    return 0
