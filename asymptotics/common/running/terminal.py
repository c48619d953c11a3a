"""What all command lines share: errors of one line, and how much is said on standard error (bars, none, or a log)."""

from __future__ import annotations

import argparse
import logging
from typing import NoReturn

from ..input.checks import InputError
from . import progress


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def add_loudness(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet`` and ``--verbose``."""
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--verbose", action="store_true", help="say on standard error what is done, and how long it took"
    )


def set_loudness(options: argparse.Namespace) -> None:
    """Bars only on a terminal, none with ``--quiet`` nor where JSON is written; a log with ``--verbose``."""
    progress.set_default(
        False if options.quiet or getattr(options, "json", False) else None, forecasts=not options.quiet
    )
    if options.verbose:
        handler = progress.LogHandler()
        handler.setFormatter(logging.Formatter("asymptotics: %(relativeCreated)8.0f ms  %(message)s"))
        for name in ("asymptotics", "derivations"):
            log = logging.getLogger(name)
            log.handlers, log.propagate = [handler], False
            log.setLevel(logging.INFO)
