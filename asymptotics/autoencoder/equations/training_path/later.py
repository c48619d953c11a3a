"""Fields of a path that are computed when somebody asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

_ASKED = threading.RLock()
Kind = TypeVar("Kind")


class Later:
    """A field that may be given as a function: it is called when somebody asks."""

    def __init__(self, name: str) -> None:
        self.place = f"_{name}"

    def __get__(self, path: object, kind: type | None = None) -> Any:
        if path is None:
            return None
        found = path.__dict__[self.place]
        if callable(found):
            # One at a time: the functions of a path work in the same arrays.
            with _ASKED:
                found = path.__dict__[self.place]
                if callable(found):
                    found = path.__dict__[self.place] = found()
        return found

    def __set__(self, path: object, value: object) -> None:
        path.__dict__[self.place] = value


def later(*names: str) -> Callable[[type[Kind]], type[Kind]]:
    """Decorator of a dataclass: its fields that are `Later`."""

    def made(kind: type[Kind]) -> type[Kind]:
        for name in names:
            setattr(kind, name, Later(name))
        return kind

    return made


def held(path: object, name: str) -> Any:
    """A field of a path, or the function that is to be called for it."""
    return path.__dict__.get(f"_{name}", path.__dict__.get(name))
