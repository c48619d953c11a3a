"""``python -m derivations NAME``: print a derivation, alone or into a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .autoencoder.engine import System
from .autoencoder.network.catalogue import FORMULAE, LANGUAGES, TARGETS
from .topics import TOPICS as TOPICS
from .topics import build, names, system


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def run(
    arguments: Sequence[str],
    prog: str = "python -m derivations",
    also: Callable[[argparse.ArgumentParser], None] | None = None,
    declared: Callable[[str], System | None] = lambda name: None,
) -> int:
    """Command line; bad input raises ValueError with one line.

    ``also`` adds options that the caller has dealt with; ``declared`` knows the system of a file that has one of its own.
    """
    parser = _Parser(prog=prog, description="Print a derivation, step by step.")
    parser.add_argument("name", nargs="?", default="list", help="list (prints them all), " + ", ".join(names()))
    parser.add_argument("--list", action="store_true", help="the same as the name list")
    parser.add_argument("--hidden", type=int, default=1, metavar="R", help="hidden units (auto-encoder)")
    parser.add_argument("--labels", type=int, default=2, metavar="L", help="labels (labelled architectures)")
    parser.add_argument("--activation", choices=[*FORMULAE], help="default: left open")
    parser.add_argument("--predicts", choices=[*TARGETS], default="data")
    parser.add_argument("--latex", action="store_true", help="LaTeX instead of text")
    parser.add_argument("--code", choices=LANGUAGES, help="the equations of an architecture as source code")
    parser.add_argument("--report", metavar="OUT.md|OUT.tex", help="write the whole derivation to a file")
    if also is not None:
        also(parser)
    options = parser.parse_args(arguments)
    if options.report and Path(options.report).suffix not in (".md", ".tex"):
        raise ValueError(f"--report {options.report}: must end in .md or .tex")
    if options.list or options.name == "list":
        width = max(map(len, names()))
        print("\n".join(f"{name:<{width}}  {about}" for name, about in names().items()))
        return 0
    own = declared(options.name)
    if options.code:
        made = own or system(options.name, options.hidden, options.activation, options.predicts, options.labels)
        print(made.code(options.code))
        return 0
    if own is not None:
        result = own.derivation
    else:
        result = build(options.name, options.hidden, options.activation, options.predicts, options.labels)
    if options.report:
        path = Path(options.report)
        said = "overwrote" if path.exists() else "wrote"
        result.report(path)
        print(f"{said} {path}")
        return 0
    print(result.latex() if options.latex else result)
    return 0


def main() -> int:
    """Entry point of ``python -m derivations``."""
    try:
        return run(sys.argv[1:])
    except ValueError as error:
        print(f"derivations: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
