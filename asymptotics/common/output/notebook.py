"""What a notebook shows of a result: a page of HTML with a table, matrices in maths and a small picture."""

from __future__ import annotations

import base64
import html
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..input.checks import InputError
from .letters import PLAIN
from .plain import shown
from .plotting import Drawn, style

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Rows and columns of a table before it is thinned out, entries of a side of a matrix in maths.
ROWS, COLUMNS, SIDE = 10, 14, 8
#: Inches and dots per inch of the picture.
SIZE, DOTS = (3.4, 2.5), 96
#: Letters by their names; of those with two forms the first.
GREEK = {
    name: letter for letter, name in reversed(PLAIN.items()) if name.isalpha() and len(name) > 1 and letter.isalpha()
}
_SUBSCRIPT = re.compile(r"^([A-Za-z]+(?: [A-Za-z]+)*)((?:_[A-Za-z]+)*)_(\d+(?:,\d+)*)(\(.*)?$")


def label(name: str) -> str:
    """A quantity's name as HTML: ``Theta_12(0.3)`` as Θ with the subscript 12."""
    found = _SUBSCRIPT.match(name)
    head, rest, subscript, bracket = found.groups() if found else (name, "", "", "")
    words = "".join(GREEK.get(word, word) for word in re.split("([ _])", head))
    below = f"<sub>{subscript}</sub>" if subscript else ""
    return f"{html.escape(words)}{below}{html.escape((rest or '') + (bracket or ''))}"


def cell(value: object) -> str:
    """One value of a table: a number in six digits, a list of numbers as maths, anything else as text."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, np.integer)):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return "–" if value != value else shown(float(value), 5)
    if isinstance(value, Mapping):
        return ", ".join(f"{html.escape(str(k))} = {cell(v)}" for k, v in value.items())
    numbers = _numbers(value)
    if numbers is not None and numbers.size:
        return maths("", numbers)
    text = " ".join(str(value).split())
    return html.escape(text if len(text) <= 90 else text[:87] + "...")


def _numbers(value: object) -> np.ndarray | None:
    """A list of numbers, or of lists of equally many numbers, as an array."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in "iuf" and 0 < array.ndim <= 2 and max(array.shape) <= SIDE else None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table from the HTML of its cells."""
    top = "".join(f"<th>{x}</th>" for x in head)
    body = "".join("<tr>" + "".join(f"<td>{x}</td>" for x in row) + "</tr>" for row in rows)
    return f'<table style="white-space:nowrap"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def thinned(columns: Mapping[str, Sequence[Any]]) -> str:
    """A table of columns; of a long one some rows, equally spaced, of a wide one the first columns."""
    names = list(columns)[:COLUMNS]
    length = len(columns[names[0]])
    picked = np.unique(np.linspace(0, length - 1, min(length, ROWS)).round().astype(int))
    text = table([label(n) for n in names], ([cell(columns[n][k]) for n in names] for k in picked))
    left = [f"{len(picked)} of {length} rows"] if length > len(picked) else []
    left += [f"{len(names)} of {len(columns)} columns"] if len(columns) > len(names) else []
    return text + (f"<div><small>{', '.join(left)}; all: <code>.to_dataframe()</code></small></div>" if left else "")


def _rounded(values: ArrayLike) -> np.ndarray:
    """To six digits of the largest entry: what rounding left of a 0 is none."""
    array = np.asarray(values, dtype=np.float64)
    largest = float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
    return (np.round(array, 5 - math.floor(math.log10(largest))) if largest > 0.0 else array) + 0.0


def tex(name: str, values: ArrayLike) -> str:
    """``name = matrix`` in TeX; a vector stands as a row."""
    array = np.atleast_2d(_rounded(values))
    rows = r" \\ ".join(" & ".join(shown(float(v)) for v in row) for row in array)
    body = shown(float(array[0, 0])) if np.ndim(values) == 0 else rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
    return f"{_tex_name(name)} = {body}" if name else body


def _tex_name(name: str) -> str:
    head, _, below = name.partition("_")
    head = "\\" + head if head in GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    return head + (rf"_{{\text{{{below}}}}}" if below else "")


def _mathml_name(name: str) -> str:
    head, _, below = name.partition("_")
    shape = f"<mi>{html.escape(GREEK.get(head, head))}</mi>"
    return f"<msub>{shape}<mtext>{html.escape(below)}</mtext></msub>" if below else shape


def maths(name: str, values: ArrayLike) -> str:
    """``name = matrix`` as MathML, which every browser draws by itself, with its TeX as annotation."""
    array = _rounded(values)

    def number(value: float) -> str:
        text = shown(value)
        return f"<mo>−</mo><mn>{text[1:]}</mn>" if text.startswith("-") else f"<mn>{text}</mn>"

    if array.ndim == 0:
        body = number(float(array))
    else:
        rows = "".join(
            "<mtr>" + "".join(f"<mtd>{number(float(v))}</mtd>" for v in row) + "</mtr>" for row in np.atleast_2d(array)
        )
        body = f'<mo fence="true">(</mo><mtable>{rows}</mtable><mo fence="true">)</mo>'
    head = f"{_mathml_name(name)}<mo>=</mo>" if name else ""
    note = f'<annotation encoding="application/x-tex">{html.escape(tex(name, values))}</annotation>'
    return f"<math><semantics><mrow>{head}{body}</mrow>{note}</semantics></math>"


def all_maths(values: Mapping[str, ArrayLike]) -> str:
    """Named matrices side by side; those that are too large are left out."""
    small = {n: v for n, v in values.items() if np.size(v) and max(np.shape(v), default=0) <= SIDE and np.ndim(v) <= 2}
    return f"<div>{'&#8195;'.join(maths(n, v) for n, v in small.items())}</div>" if small else ""


def thumbnail(what: object) -> str:
    """A small picture of what draws itself; nothing of what has none."""
    if not isinstance(what, Drawn):
        return ""
    from matplotlib.figure import Figure

    file = io.BytesIO()
    with style():
        # Not of pyplot: a notebook would show the figure a second time.
        figure = Figure(figsize=SIZE, layout="constrained")
        try:
            what.plot(figure.subplots())
        except InputError:  # it has no picture of its own, or what it draws cannot be computed again
            return ""
        figure.savefig(file, format="png", dpi=DOTS)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"/>'


def page(summary: str, *parts: str, head: str = "") -> str:
    """A page: a head (default: the first line of the summary), tables, matrices and pictures, and the whole summary to open.

    Without any part the summary is shown at once.
    """
    first = html.escape(head or summary.partition("\n")[0])
    body = "".join(part for part in parts if part)
    text = f"<pre>{html.escape(summary)}</pre>"
    if not body:
        return f"<div>{text}</div>"
    return f"<div><b>{first}</b>{body}<details><summary>in words</summary>{text}</details></div>"
