"""Python's own parser, one text at a time."""

from __future__ import annotations

import ast
import threading

#: Python 3.11 counts the depth of all threads' trees in one place: two parsed at once end in a SystemError ("recursion depth").
_PARSING = threading.Lock()


def parsed(text: bytes | str) -> ast.Module:
    """The syntax tree of a text, one at a time whatever the threads."""
    with _PARSING:
        return ast.parse(text)


def parsed_expression(text: str) -> ast.expr:
    """The syntax tree of an expression, one at a time whatever the threads."""
    with _PARSING:
        return ast.parse(text, mode="eval").body
