"""Derivations as objects: titled steps of text and SymPy equations that print as text, LaTeX or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy

from .in_text import pretty
from .sentences import sentence
from .typeset import display, document, latex

# Who is told of every step when it is made and of every check when it is run: deriving takes seconds.
_listener: Callable[[str], None] | None = None


@contextmanager
def listening(listener: Callable[[str], None] | None) -> Iterator[None]:
    """Within the block ``listener(title)`` is called whenever a step is derived or a slip is checked."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def _tell(title: str) -> None:
    if _listener is not None:
        _listener(title)


def equation(left: sympy.Basic, right: sympy.Basic | complex) -> sympy.Eq:
    """left = right as it stands: SymPy does not decide whether it holds."""
    return sympy.Eq(left, right, evaluate=False)


@dataclass(frozen=True)
class Step:
    """One step: a title, a sentence that says why it holds, and the equations it gives."""

    title: str
    text: str
    equations: tuple[sympy.Basic, ...] = ()

    def __post_init__(self) -> None:
        _tell(self.title)

    def __repr__(self) -> str:
        return f"Step({self.title!r}, {len(self.equations)} equations)"

    def __str__(self) -> str:
        return self.in_text()

    def in_text(self, *, vectors: Sequence[str] = ()) -> str:
        """Title, sentence and equations for a terminal."""
        lines = [self.title, "-" * len(self.title), self.text]
        for equation in self.equations:
            lines += ["", pretty(equation, vectors)]
        return "\n".join(lines)

    def latex(self, *, heading: str = "paragraph", vectors: Sequence[str] = ()) -> str:
        """A LaTeX fragment: heading, prose, and displays whose lines are broken to the page."""
        body = "\n".join(display(equation, vectors) for equation in self.equations)
        return rf"\{heading}{{{sentence(self.title)}}} {sentence(self.text)}" + ("\n" + body if body else "")

    def markdown(self, *, vectors: Sequence[str] = ()) -> str:
        """Markdown with ``$$`` displays."""
        body = "\n\n".join(f"$$ {_on_a_page(equation, vectors)} $$" for equation in self.equations)
        return f"### {self.title}\n\n{sentence(self.text)}" + ("\n\n" + body if body else "")

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_latex_(self) -> str:
        rows = r" \\ ".join(latex(equation) for equation in self.equations)
        return rf"$\displaystyle \begin{{array}}{{l}} {rows} \end{{array}}$"


def _on_a_page(equation: sympy.Basic, vectors: Sequence[str]) -> str:
    """What stands between ``$$``: MathJax knows ``aligned``, not the environments of a page."""
    shown = display(equation, vectors)
    if shown.startswith(r"\begin{align*}"):
        return shown.replace("{align*}", "{aligned}")
    return latex(equation, vectors)


@dataclass(frozen=True)
class Slip:
    """A place where a source's printed formula differs from the derivation, with a check anyone can run.

    Parameters
    ----------
    where : str
        Source and place.
    printed, derived : str or sympy.Basic
        The two statements.
    check : callable
        Returns ``(value of the printed form, value of the derived form, independent value)`` as floats: the last is
        computed without either formula (quadrature, simulation, substitution), and must match the derived one.
    """

    where: str
    printed: Any
    derived: Any
    check: Callable[[], tuple[float, float, float]]
    explanation: str = ""

    def latex(self) -> str:
        """As an entry of a list: where, both statements, the reason, and the three numbers of the check."""
        printed, derived, independent = self.check()
        _tell(f"check: {self.where}")

        def shown(value: str | sympy.Basic) -> str:
            return display(value) if isinstance(value, sympy.Basic) else f"{sentence(str(value))}."

        numbers = f"printed {printed:.8g}, derived {derived:.8g}, independently {independent:.8g}"
        return (
            f"{sentence(self.where)}. Printed: {shown(self.printed)} Derived: {shown(self.derived)} "
            f"{sentence(self.explanation)} Check: {numbers}."
        )

    def _repr_latex_(self) -> str:
        def shown(value: str | sympy.Basic) -> str:
            return latex(value) if isinstance(value, sympy.Basic) else rf"\text{{{sentence(str(value))}}}"

        rows = rf"\text{{printed: }} & {shown(self.printed)} \\ \text{{derived: }} & {shown(self.derived)}"
        return rf"$\displaystyle \begin{{array}}{{ll}} {rows} \end{{array}}$"

    def __str__(self) -> str:
        printed, derived, independent = self.check()
        _tell(f"check: {self.where}")
        return (
            f"{self.where}\n  printed:  {self.printed}\n  derived:  {self.derived}\n  {self.explanation}\n"
            f"  check: printed {printed:.8g}, derived {derived:.8g}, independently {independent:.8g}"
        )


@dataclass(frozen=True)
class Derivation:
    """An ordered chain of steps from definitions to final equations, and the slips of the sources along the way."""

    name: str
    steps: tuple[Step, ...]
    slips: tuple[Slip, ...] = ()
    vectors: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, title: str) -> Step:
        for step in self.steps:
            if step.title == title:
                return step
        raise KeyError(f"{title!r}: the steps are {', '.join(s.title for s in self.steps)}")

    def __repr__(self) -> str:
        return f"Derivation({self.name!r}: {', '.join(step.title for step in self.steps)})"

    def __str__(self) -> str:
        parts = [f"Derivation: {self.name}", *(step.in_text(vectors=self.vectors) for step in self.steps)]
        if self.slips:
            parts.append("Where the sources differ\n------------------------\n" + "\n".join(map(str, self.slips)))
        return "\n\n".join(parts)

    def latex(self) -> str:
        """The whole derivation as a LaTeX fragment (``amsmath``, ``graphicx``), fit for an appendix."""
        parts = [rf"\section*{{{sentence(self.name)}}}", *(step.latex(vectors=self.vectors) for step in self.steps)]
        if self.slips:
            rows = "\n".join(rf"\item {slip.latex()}" for slip in self.slips)
            parts.append("\\paragraph{Where the sources differ}\n\\begin{itemize}\n" + rows + "\n\\end{itemize}")
        return "\n\n".join(parts)

    def markdown(self) -> str:
        """The whole derivation as Markdown."""
        parts = [f"# {self.name}", *(step.markdown(vectors=self.vectors) for step in self.steps)]
        if self.slips:
            parts.append("### Where the sources differ\n\n" + "\n\n".join(f"```\n{slip}\n```" for slip in self.slips))
        return "\n\n".join(parts)

    def report(self, path: str | Path) -> None:
        """The whole derivation in a file: ``.tex`` (a document that pdflatex and lualatex compile) or ``.md``.

        Raises
        ------
        ValueError
            If the file is neither, or cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".md", ".tex"):
            raise ValueError(f"report {path}: must end in .md or .tex")
        text = self.markdown() + "\n" if path.suffix == ".md" else document(self.latex())
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ValueError(f"report {path}: cannot be written ({error.strerror})") from None

    def _repr_markdown_(self) -> str:
        # Without the checks of the slips, which may take seconds; `markdown` and `print` run them.
        return "\n\n".join(step.markdown(vectors=self.vectors) for step in self.steps)

    def _repr_latex_(self) -> str:
        return "\n".join(step._repr_latex_() for step in self.steps)


class Derived:
    """What has a derivation, and prints it."""

    @property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        raise NotImplementedError

    def __str__(self) -> str:
        return str(self.derivation)

    def latex(self) -> str:
        """The whole derivation as LaTeX."""
        return self.derivation.latex()

    def report(self, path: str | Path) -> None:
        """The whole derivation in a file, ``.tex`` or ``.md``; see `Derivation.report`."""
        self.derivation.report(path)

    def _repr_markdown_(self) -> str:
        return self.derivation._repr_markdown_()

    def _repr_latex_(self) -> str:
        return self.derivation._repr_latex_()
