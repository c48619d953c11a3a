"""``python -m figures NAME|all|list``: draw figures of the gallery, with their data and experiments beside them."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from asymptotics.common.checks import InputError, closest
from asymptotics.common.plotting import style
from asymptotics.common.progress import bar
from asymptotics.common.results import to_builtin, write_atomically
from asymptotics.executors import Failure, outcomes
from asymptotics.experiment import SYSTEMS, Experiment

from .base import Drawing

#: Words that mean something to the command line and cannot name a figure.
RESERVED = ("all", "list")


def discover() -> dict[str, Callable[[bool], Drawing]]:
    """Every figure of every module of this package, by name.

    Raises
    ------
    ValueError
        If two modules use the same name, or a name is a word of the command line.
    """
    import figures

    found: dict[str, Callable[[bool], Drawing]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(figures.__path__)):
        if module in ("base", "__main__"):
            continue
        for name, draw in getattr(importlib.import_module(f"figures.{module}"), "FIGURES", {}).items():
            if name in found or name in RESERVED:
                raise ValueError(f"figures.{module}: the name {name!r} is taken")
            found[name] = draw
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list) else value


def experiment_file(drawing: Drawing) -> str:
    """The TOML text of a drawing's experiment, which ``asymptotics solve`` reads.

    Where the figure varies a key that has no default, a comment in the first line says which one is to be added.
    """
    import tomli_w

    tables = _without_none(to_builtin(drawing.experiment))
    system = tables.pop("system", next((s for s in SYSTEMS if s in tables), "autoencoder"))
    description = tables.pop("description", drawing.caption)
    content = {"system": system, "description": description, **tables}
    try:
        Experiment.from_table(content)
    except InputError as error:
        return f"# The figure varies a key that is to be added here: {error}\n{tomli_w.dumps(content)}"
    return tomli_w.dumps(content)


def save(drawing: Drawing, name: str, folder: Path) -> list[Path]:
    """Write NAME.png, .pdf, .npz (every plotted number, with the caption), .md (the caption) and .toml (the experiment).

    Each file is written atomically. A figure that comes from no single experiment has no ``.toml``.
    """
    import matplotlib.pyplot as plt

    texts = {"caption": drawing.caption, "source": drawing.source, "closeness": drawing.closeness}
    arrays = {key: np.asarray(value) for key, value in drawing.data.items()}
    for key, array in arrays.items():
        if array.dtype == object:
            raise TypeError(f"figure {name}: data {key!r} is not an array of numbers")
    arrays |= {f"__{key}__": np.array(text) for key, text in texts.items()}
    written = []
    with style():
        for kind in ("png", "pdf"):
            # No date in the file: the same numbers give the same bytes.
            date = {"metadata": {"CreationDate": None}} if kind == "pdf" else {}
            written.append(
                write_atomically(
                    folder / f"{name}.{kind}",
                    lambda file, kind=kind, date=date: drawing.figure.savefig(file, format=kind, **date),
                )
            )
    plt.close(drawing.figure)
    written.append(write_atomically(folder / f"{name}.npz", lambda file: np.savez_compressed(file, **arrays)))  # type: ignore[arg-type]
    page = f"# {name}\n\n{drawing.caption}\n\nSource: {drawing.source}\n"
    page += f"\nCloseness: {drawing.closeness}\n" if drawing.closeness else ""
    written.append(write_atomically(folder / f"{name}.md", lambda file: file.write(page.encode())))
    if drawing.experiment:
        text = experiment_file(drawing).encode()
        written.append(write_atomically(folder / f"{name}.toml", lambda file: file.write(text)))
    return written


def draw(name: str, quick: bool, folder: str) -> tuple[str, str]:
    """Draw and save one figure; returns its source and how close theory and experiment came."""
    import matplotlib

    matplotlib.use("Agg")
    drawing = discover()[name](quick)
    save(drawing, name, Path(folder))
    return drawing.source, drawing.closeness


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def run(arguments: Sequence[str], prog: str = "python -m figures") -> int:
    """Command line; bad input raises `InputError` with one line. Returns 1 if a figure could not be drawn."""
    parser = _Parser(prog=prog, description="Draw figures of the gallery: PNG, PDF, data (.npz), caption, experiment.")
    parser.add_argument("name", help="a figure, all, or list (prints the names)")
    parser.add_argument("--quick", action="store_true", help="small ensembles: seconds a figure")
    parser.add_argument("--out", metavar="DIR", default="figures-out", help="where to (default: ./figures-out)")
    parser.add_argument("--workers", type=int, help="figures drawn at the same time (default: one a core)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    known = discover()
    if options.name == "list":
        print("\n".join(known))
        return 0
    if options.name != "all" and options.name not in known:
        hint = closest(options.name, list(known))
        raise InputError(f"figure = {options.name!r}: no such figure{hint}; {prog} list prints their names")
    names = list(known) if options.name == "all" else [options.name]
    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made ({error.strerror})") from None
    failed = []
    work = outcomes(draw, [(name, options.quick, str(folder)) for name in names], workers=options.workers)
    with bar(len(names), "figures", enabled=False if options.quiet else None, unit="figure") as watch, closing(work):
        for k, outcome in work:
            watch.update()
            if isinstance(outcome, Failure):
                if outcome.kind == "InputError":
                    raise InputError(outcome.message)
                failed.append(names[k])
                print(f"figures: error: {names[k]}: {outcome}\n{outcome.trace}".rstrip(), file=sys.stderr)
                continue
            source, closeness = outcome
            print(f"{folder / names[k]}.png  ({source})" + (f"\n    {closeness}" if closeness else ""), flush=True)
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``python -m figures``."""
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        print(f"figures: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("figures: interrupted; the figures drawn so far are complete", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
