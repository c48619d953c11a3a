"""What a numpydoc docstring says of each parameter: the one place where keys and fields are described."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

SECTIONS = ("Parameters", "Other Parameters", "Attributes")


@dataclass(frozen=True)
class Described:
    """One entry of a section: its type and meaning in words."""

    kind: str
    meaning: str


def described(thing: type) -> dict[str, Described]:
    """The entries of the sections Parameters and Attributes of a class, those of its bases before them.

    Names that share an entry (``dimension, runs : int``) share its words out where they are as many, separated by semicolons or
    commas.
    """
    found: dict[str, Described] = {}
    for kind in reversed(thing.__mro__):
        if kind is not object and kind.__doc__:
            found |= _entries(inspect.cleandoc(kind.__doc__))
    return found


def summary(thing: type) -> str:
    """The first sentence of a docstring."""
    return inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _entries(text: str) -> dict[str, Described]:
    found: dict[str, Described] = {}
    lines = text.splitlines()
    for k, line in enumerate(lines[:-1]):
        if line.strip() in SECTIONS and re.fullmatch(r"-{3,}", lines[k + 1].strip()):
            found |= _section(lines[k + 2 :])
    return found


def _section(lines: list[str]) -> dict[str, Described]:
    found: dict[str, Described] = {}
    names: list[tuple[str, str]] = []
    words: list[str] = []

    def close() -> None:
        found.update(_shared_out(names, " ".join(words)))

    for k, line in enumerate(lines):
        if k + 1 < len(lines) and line.strip() and re.fullmatch(r"-{3,}", lines[k + 1].strip()):
            break
        if line and not line[0].isspace():
            close()
            # ``Q : (p, p);  Theta : (p, K)`` is several entries in one line.
            names = [pair for part in re.split(r";\s{2,}", line) for pair in _heads(part)]
            words = []
        elif line.strip():
            words.append(line.strip())
    close()
    return found


def _heads(line: str) -> list[tuple[str, str]]:
    names, _, kind = line.partition(" : ")
    parts = [name.strip().lstrip("*") for name in names.split(",")]
    return [(name, kind.strip()) for name in parts if name.isidentifier()]


def _shared_out(names: list[tuple[str, str]], text: str) -> dict[str, Described]:
    if len(names) > 1:
        for sign in (";", ","):
            parts = [part.strip(" .") for part in text.split(sign)]
            if len(parts) == len(names):
                return {name: Described(kind, part) for (name, kind), part in zip(names, parts, strict=True)}
    return {name: Described(kind, text) for name, kind in names}
