"""``python -m figures NAME|all|list``: draw figures of the gallery, with their data and experiments beside them."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from asymptotics.common.input.checks import InputError, closest
from asymptotics.common.output.plotting import letter_panels, style
from asymptotics.common.output.results import to_builtin, write_atomically
from asymptotics.common.running.pool import Failure, outcomes
from asymptotics.common.running.progress import bar
from asymptotics.common.running.terminal import Parser, add_loudness, set_loudness
from asymptotics.experiment import SYSTEMS, Experiment

from . import index
from .base import Drawing
from .sources import paper_of

#: Words that mean something to the command line and cannot name a figure.
RESERVED = ("all", "list")
#: Started before all others, longest first, so that the workers of ``all`` end together.
LONGEST = (
    "one-step-transition",
    "one-step-regimes",
    "mnist-gaussian",
    "fluctuations-scaling",
    "learning-curves",
    "mnist-images",
    "fluctuations-gap",
    "linear-early-stopping",
    "linear-regularisation",
    "collapse-remedy",
    "smoothing-network",
    "one-step-steps",
    "linear-samples",
    "collapse-phases",
    "linear-agreement",
    "mixture-sweeps",
    "one-step-divergences",
    "three-clusters",
    "collapse-densities",
    "collapse-decay",
)


def rooms() -> dict[str, dict[str, Callable[[bool], Drawing]]]:
    """The figures of every module of this package that has some, by the module's title and by name.

    Raises
    ------
    ValueError
        If two modules use the same name, or a name is a word of the command line.
    """
    import figures

    found: dict[str, dict[str, Callable[[bool], Drawing]]] = {}
    taken: set[str] = set(RESERVED)
    for module in sorted(m.name for m in pkgutil.walk_packages(figures.__path__, "figures.")):
        if module == "figures.__main__":
            continue
        loaded = importlib.import_module(module)
        mine = getattr(loaded, "FIGURES", {})
        for name in mine:
            if name in taken:
                raise ValueError(f"{module}: the name {name!r} is taken")
            taken.add(name)
        if mine:
            title = (loaded.__doc__ or module).split("\n")[0].strip().rstrip(".")
            found[title] = dict(mine)
    return found


def discover() -> dict[str, Callable[[bool], Drawing]]:
    """Every figure of every module of this package, by name."""
    return {name: draw for room in rooms().values() for name, draw in room.items()}


def _without_none(value: object) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list) else value


def experiment_file(drawing: Drawing) -> str:
    """The TOML text of a drawing's experiment, which ``asymptotics solve`` reads.

    Raises
    ------
    ValueError
        If it is no complete experiment: where a figure varies a key, the drawing names a representative value.
    """
    import tomli_w

    tables = _without_none(to_builtin(drawing.experiment))
    system = tables.pop("system", next((s for s in SYSTEMS if s in tables), "autoencoder"))
    description = tables.pop("description", drawing.caption)
    content = {"system": system, "description": description, **tables}
    try:
        Experiment.from_table(content)
    except InputError as error:
        raise ValueError(f"the drawing's experiment is not complete: {error}") from None
    return tomli_w.dumps(content)


def save(drawing: Drawing, name: str, folder: Path, *, quick: bool = False, gallery: Path | None = None) -> list[Path]:
    """Write NAME.png, .pdf, .npz (every plotted number, with the caption), .md (the caption) and .toml (the experiment).

    Each file is written atomically. A figure that comes from no single experiment has no ``.toml``. With ``gallery``, a small
    picture goes there too.
    """
    import matplotlib.pyplot as plt

    texts = {"caption": drawing.caption, "source": drawing.source, "closeness": drawing.closeness}
    inside = index.texts(drawing, name, quick)
    arrays = {key: np.asarray(value) for key, value in drawing.data.items()}
    for key, array in arrays.items():
        if array.dtype == object:
            raise TypeError(f"figure {name}: data {key!r} is not an array of numbers")
    arrays |= {f"__{key}__": np.array(text) for key, text in texts.items()}
    written = []
    with style():
        letter_panels(drawing.figure)
        for kind in ("png", "pdf"):
            # No date in the file: the same numbers give the same bytes.
            metadata = {"CreationDate": None} if kind == "pdf" else inside | {"Software": None}
            written.append(
                write_atomically(
                    folder / f"{name}.{kind}",
                    functools.partial(drawing.figure.savefig, format=kind, metadata=metadata),
                )
            )
        if gallery is not None:
            written.append(index.write_small(drawing.figure, gallery / f"{name}.png", inside))
    plt.close(drawing.figure)
    written.append(write_atomically(folder / f"{name}.npz", lambda file: np.savez_compressed(file, **arrays)))  # type: ignore[arg-type]
    page = f"# {name}\n\n{drawing.caption}\n\nSource: {drawing.source}\n"
    page += f"\nCloseness: {drawing.closeness}\n" if drawing.closeness else ""
    written.append(write_atomically(folder / f"{name}.md", lambda file: file.write(page.encode())))
    if drawing.experiment:
        text = experiment_file(drawing).encode()
        written.append(write_atomically(folder / f"{name}.toml", lambda file: file.write(text)))
    return written


def draw(name: str, quick: bool, folder: str, gallery: str | None = None) -> tuple[str, str, float]:
    """Draw and save one figure; returns its source, how close theory and experiment came, and the seconds it took."""
    import matplotlib

    matplotlib.use("Agg")
    start = time.perf_counter()
    drawing = discover()[name](quick)
    save(drawing, name, Path(folder), quick=quick, gallery=None if gallery is None else Path(gallery))
    return drawing.source, drawing.closeness, time.perf_counter() - start


def _place(name: str) -> int:
    """Where a figure stands in the order of ``all``."""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def _folder(option: str, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option} {folder}: cannot be made ({error.strerror})") from None
    return folder


def run(arguments: Sequence[str], prog: str = "python -m figures") -> int:
    """Command line; bad input raises `InputError` with one line. Returns 1 if a figure could not be drawn."""
    parser = Parser(prog=prog, description="Draw figures of the gallery: PNG, PDF, data (.npz), caption, experiment.")
    parser.add_argument("name", help="a figure, all, or list (prints the names and what they are about)")
    parser.add_argument("--quick", action="store_true", help="small ensembles: seconds a figure")
    parser.add_argument("--out", metavar="DIR", default="figures-out", help="where to (default: ./figures-out)")
    parser.add_argument(
        "--gallery",
        metavar="DIR",
        help=f"also put small pictures into DIR/{index.PICTURES} and list them in DIR/{index.PAGE}"
        " (in a checkout: --gallery figures)",
    )
    parser.add_argument("--workers", type=int, help="figures drawn at the same time (default: one a core)")
    add_loudness(parser)
    options = parser.parse_args(arguments)
    set_loudness(options)
    known = discover()
    if options.name == "list":
        width = max(map(len, known))
        for name, drawn in known.items():
            about = (drawn.__doc__ or "").strip().partition("\n")[0].rstrip(".")
            paper = paper_of(name)
            print(f"{name:<{width}}  {about}" + (f" ({paper.short})" if paper else ""))
        return 0
    if options.name != "all" and options.name not in known:
        hint = closest(options.name, list(known))
        raise InputError(f"figure = {options.name!r}: no such figure{hint}; {prog} list prints their names")
    names = sorted(known, key=_place) if options.name == "all" else [options.name]
    folder = _folder("--out", Path(options.out))
    kept = None if options.gallery is None else Path(options.gallery)
    pictures = None if kept is None else str(_folder("--gallery", kept / index.PICTURES))
    failed, spent, start = [], 0.0, time.perf_counter()
    tasks = [(name, options.quick, str(folder), pictures) for name in names]
    work = outcomes(draw, tasks, workers=options.workers)
    with bar(len(names), "figures", unit="figure") as watch, closing(work):
        for k, outcome in work:
            watch.update()
            if isinstance(outcome, Failure):
                if outcome.kind == "InputError":
                    raise InputError(outcome.message)
                failed.append(names[k])
                print(f"figures: error: {names[k]}: {outcome}\n{outcome.trace}".rstrip(), file=sys.stderr)
                continue
            source, closeness, seconds = outcome
            spent += seconds
            text = f"\n    {closeness}" if closeness else ""
            print(f"{folder / names[k]}.png  {seconds:.1f} s  ({source}){text}", flush=True)
    listed = [(title, list(room)) for title, room in rooms().items()]
    print(index.write_page(listed, folder))
    if kept is not None:
        print(index.write_page(listed, kept, kept=True))
    if len(names) > 1:
        print(f"{len(names) - len(failed)} figures, {spent:.0f} s, in {time.perf_counter() - start:.0f} s")
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
