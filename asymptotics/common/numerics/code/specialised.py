"""The code of a function for one problem: what it reads of its arguments in general stands outside as numbers.

The compiler then knows lengths of loops and arrays: loops are written out, small arrays live in registers, a function that is called
is put in its place. The text of the function stays one.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping


def specialised(function: Callable[..., None], given: Mapping[str, str], decorator: str) -> str:
    """Source of a module with the function, where the names of ``given`` are expressions of the module.

    Parameters
    ----------
    function : callable
        Of a module of this project, whose names it may use. Parameters of these names stay in their places, unread; assignments
        that set nothing else are left out.
    given : mapping of str to str
    decorator : str
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function!r}: is not a function")
    definition.body = [one for one in definition.body if not _sets_only(one, given)]
    for argument in definition.args.args:
        argument.annotation = None
        argument.arg = f"{argument.arg}_" if argument.arg in given else argument.arg
    definition.returns = None
    numbers = {x: ast.parse(text, mode="eval").body for x, text in given.items()}
    numbers = {x: value for x, value in numbers.items() if isinstance(value, ast.Constant)}
    definition = ast.fix_missing_locations(_Numbers(numbers).visit(definition))
    used = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)} - given.keys()
    own = sorted(used & vars(sys.modules[function.__module__]).keys())
    lines = [
        f"from {function.__module__} import {', '.join(own)}",
        *(f"{x} = {text}" for x, text in given.items() if x not in numbers),
    ]
    return "\n".join([*lines, "", "", decorator, ast.unparse(definition), ""])


def _sets_only(statement: ast.stmt, given: Mapping[str, str]) -> bool:
    """Whether a statement sets names of ``given`` and nothing else (some names of one that sets others too are an error)."""
    if not isinstance(statement, ast.Assign):
        return False
    names = [x.id for target in statement.targets for x in ast.walk(target) if isinstance(x, ast.Name)]
    known = [x in given for x in names]
    if any(known) and not all(known):
        raise ValueError(f"{ast.unparse(statement)}: sets what is given and what is not")
    return all(known)


class _Numbers(ast.NodeTransformer):
    """Puts numbers in the places of names."""

    def __init__(self, numbers: Mapping[str, ast.expr]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.numbers.get(node.id, node) if isinstance(node.ctx, ast.Load) else node
