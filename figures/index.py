"""Pages that list figures: the index beside drawn figures, and the gallery that is kept in the repository.

A picture carries its own texts (what is seen, its source, how near theory and experiment are), so that a page can be
written anew from the pictures alone and never says anything else than they do.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from asymptotics.common.output.results import write_atomically

from .base import Drawing
from .sources import PAPERS, Paper, paper_of

#: Name of the page in a folder of figures.
PAGE = "README.md"
#: Folder of the small pictures, below that of their page.
PICTURES = "gallery"
#: A figure of text width (7 in) is 840 pixels wide, what a web page shows.
DPI = 120
#: Small pictures side by side.
COLUMNS = 4


def texts(drawing: Drawing, name: str, quick: bool) -> dict[str, str]:
    """What is written into a picture, by the keyword of the PNG file."""
    import asymptotics

    return {
        "Title": name,
        "Description": drawing.caption,
        "Source": drawing.source,
        "Closeness": drawing.closeness,
        "Quality": "quick" if quick else "full",
        "Version": asymptotics.__version__,
    }


def read_texts(picture: Path) -> dict[str, str]:
    """The texts in a picture; empty for a picture of other origin."""
    from PIL import Image

    with Image.open(picture) as image:
        return {key: value for key, value in image.info.items() if isinstance(key, str) and isinstance(value, str)}


def write_small(figure: Figure, picture: Path, content: Mapping[str, str]) -> Path:
    """Write a figure as a PNG of at most 256 colours, a third of the size of a full one, with its texts."""
    from PIL import Image, PngImagePlugin

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    # Without dithering: flat areas stay flat, which is what makes the file small.
    image = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    info = PngImagePlugin.PngInfo()
    for key, value in content.items():
        info.add_text(key, value)
    return write_atomically(picture, lambda file: image.save(file, format="png", optimize=True, pnginfo=info))


def _entry(name: str, said: Mapping[str, str], folder: str, paper: Paper | None) -> str:
    lines = [f"### {name}", "", f"![{name}]({folder}{name}.png)", "", said.get("Description", ""), ""]
    lines += [f"- The source shows: {paper.shows[name]}."] if paper else [f"- Source: {said.get('Source', '')}."]
    lines += [f"- How close: {said['Closeness']}."] if said.get("Closeness") else []
    quick = " --quick" if said.get("Quality") == "quick" else ""
    lines += [f"- Command: `python -m figures {name}{quick}`" + (" (small ensembles)" if quick else ""), ""]
    return "\n".join(lines)


def _thumbnail(name: str, folder: str) -> str:
    # Markdown has no width, and needs none: in the cells of a table pictures shrink to the width of the page.
    return f"[![{name}]({folder}{name}.png)](#{name})<br>[{name}](#{name})"


def _thumbnails(names: Sequence[str], folder: str) -> list[str]:
    """A table of small pictures that lead to the entries."""
    lines = ["| " * COLUMNS + "|", "|---" * COLUMNS + "|"]
    for first in range(0, len(names), COLUMNS):
        row = [_thumbnail(name, folder) for name in names[first : first + COLUMNS]]
        lines.append("| " + " | ".join(row + [""] * (COLUMNS - len(row))) + " |")
    return lines


def _heading(paper: Paper) -> list[str]:
    lines = ["", f"## {paper.short}", "", f"{paper.reference}. {paper.note}".strip(), ""]
    if paper.missing:
        lines += ["Not reproduced:", ""] + [f"- {what}: {why}." for what, why in paper.missing] + [""]
    return lines


def page(rooms: Sequence[tuple[str, Sequence[str]]], pictures: Path, *, kept: bool = False) -> str:
    """The page of every figure that has a picture in a folder, paper by paper; last, room by room, those of no paper.

    Parameters
    ----------
    rooms : sequence of (title, names)
    pictures : Path
        Where NAME.png are.
    kept : bool
        Whether this is the page of the repository: the pictures then lie in `PICTURES` and have no files beside them.
    """
    said = {name: read_texts(pictures / f"{name}.png") for _, names in rooms for name in names
            if (pictures / f"{name}.png").exists()}  # fmt: skip
    said = {name: found for name, found in said.items() if found.get("Title") == name}
    quick = [name for name in said if said[name].get("Quality") == "quick"]
    quality = "All at full quality" if not quick else "All quick" if len(quick) == len(said) else "Some quick"
    if quick:
        quality += " (`--quick`: small ensembles, wide error bars)"
    command = "python -m figures all" + (
        " --gallery figures" if kept else " --quick" if len(quick) == len(said) else ""
    )
    versions = ", ".join(sorted({value["Version"] for value in said.values() if "Version" in value}))
    beside = (
        "The same command writes into `figures-out/`, for each figure, NAME.png and NAME.pdf in print quality, NAME.npz (every"
        " plotted number), NAME.toml (an experiment that `asymptotics solve` accepts, where the figure comes from one) and"
        " NAME.md (the texts below)."
        if kept
        else "Beside each NAME.png are NAME.pdf, NAME.npz (every plotted number), NAME.toml (an experiment that"
        " `asymptotics solve` accepts, where the figure comes from one) and NAME.md (the texts below)."
    )
    lines = [
        "# Figures",
        "",
        f"{len(said)} figures, drawn by `{command}`. {quality}, version {versions or 'unknown'}. Lines are theory, points are"
        " experiment with one standard error, unless a caption says otherwise.",
        beside,
        "Paper by paper: what the source shows (its figure's number where it is known, else the quantity), what ours shows, how"
        " close theory and experiment came in this drawing, by number, and what is not reproduced.",
        "",
    ]
    papers = [(paper, [name for name in paper.shows if name in said]) for paper in PAPERS]
    papers = [(paper, names) for paper, names in papers if names]
    others = [(title, [name for name in names if name in said and paper_of(name) is None]) for title, names in rooms]
    others = [(title, names) for title, names in others if names]
    folder = f"{PICTURES}/" if kept else ""
    for paper, names in papers:
        lines += _heading(paper) + _thumbnails(names, folder) + [""]
        lines += ["\n".join(_entry(name, said[name], folder, paper) for name in names).rstrip()]
    for title, names in others:
        lines += ["", f"## {title}", "", "\n".join(_entry(name, said[name], folder, None) for name in names).rstrip()]
    return "\n".join(lines) + "\n"


def write_page(rooms: Sequence[tuple[str, Sequence[str]]], folder: Path, *, kept: bool = False) -> Path:
    """Write the page of a folder of figures (``kept``: of the repository's, whose pictures are one folder down)."""
    content = page(rooms, folder / PICTURES if kept else folder, kept=kept).encode()
    return write_atomically(folder / PAGE, lambda file: file.write(content))
