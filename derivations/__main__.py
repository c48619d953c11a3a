"""``python -m derivations NAME``: print a derivation, alone or into a file."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from .autoencoder.denoiser import ACTIVATIONS, ARCHITECTURES, PREDICTIONS, architecture
from .steps import Derivation

#: Derivations that belong to a module of their own (``module.derivation()``).
TOPICS = {
    "mixture_flow": "mixture_flow.equations",
    "linear_diffusion": "linear_diffusion.equations",
    "one_step": "one_step.equations",
    "score_smoothing": "score_smoothing",
    "random_features": "random_features.equations",
    "collapse": "autoencoder.collapse",
    "fluctuations": "autoencoder.fluctuations",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def build(name: str, hidden: int = 1, activation: str | None = None, predicts: str = "data") -> Derivation:
    """A derivation by name: an architecture of the auto-encoder, or the topic of another room.

    Raises
    ------
    ValueError
        If the name is not one of `ARCHITECTURES` or `TOPICS`, or another argument is not allowed.
    """
    if name in TOPICS:
        derivation: Derivation = importlib.import_module(f"derivations.{TOPICS[name]}").derivation()
        return derivation
    if name not in ARCHITECTURES:
        raise ValueError(f"derivation = {name!r}: must be one of {', '.join([*ARCHITECTURES, *TOPICS])}")
    if not 1 <= hidden <= 8:
        raise ValueError(f"--hidden {hidden}: must be from 1 to 8 (the equations are written out unit by unit)")
    from .autoencoder.engine import derive

    chosen: Derivation = derive(architecture(name, hidden, activation=activation, predicts=predicts)).derivation
    return chosen


def run(
    arguments: Sequence[str],
    prog: str = "python -m derivations",
    also: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Command line; bad input raises ValueError with one line. ``also`` adds options that the caller has dealt with."""
    parser = _Parser(prog=prog, description="Print a derivation, step by step.")
    parser.add_argument("name", help=", ".join([*ARCHITECTURES, *TOPICS]))
    parser.add_argument("--hidden", type=int, default=1, metavar="R", help="hidden units (auto-encoder)")
    parser.add_argument("--activation", choices=[*ACTIVATIONS], help="default: left open")
    parser.add_argument("--predicts", choices=[*PREDICTIONS], default="data")
    parser.add_argument("--latex", action="store_true", help="LaTeX instead of text")
    parser.add_argument("--report", metavar="OUT.md|OUT.tex", help="write the whole derivation to a file")
    if also is not None:
        also(parser)
    options = parser.parse_args(arguments)
    if options.report and Path(options.report).suffix not in (".md", ".tex"):
        raise ValueError(f"--report {options.report}: must end in .md or .tex")
    result = build(options.name, options.hidden, options.activation, options.predicts)
    if options.report:
        path = Path(options.report)
        text = result.markdown() if path.suffix == ".md" else _document(result)
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"--report {path}: cannot be written ({error.strerror})") from None
        print(f"wrote {path}")
        return 0
    print(result.latex() if options.latex else result)
    return 0


def _document(result: Derivation) -> str:
    head = "\\documentclass{article}\n\\usepackage[margin=2cm]{geometry}\n\\usepackage{amsmath,amssymb,fontspec}\n"
    return head + "\\begin{document}\n" + result.latex() + "\n\\end{document}"


def main() -> int:
    """Entry point of ``python -m derivations``."""
    try:
        return run(sys.argv[1:])
    except ValueError as error:
        print(f"derivations: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
