"""Reverse-mode differentiation of generated kernels: from the source of a function to the source of its adjoint.

A generated kernel is a nest of loops over straight lines; its loops meet only in sums. Its adjoint runs through the lines
backwards: what a value is worth (``adj_…``) goes to the values that it was made of, times the partial derivative of its line. The
cost is a small multiple of the kernel's, whatever the number of arguments that it is differentiated by.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...input.syntax import parsed
from .slopes import SLOPES

_NAME = re.compile(r"[A-Za-z_]\w*")
#: Calls whose value is kept, because their derivative needs it or because they are dear.
_CHEAP = ("min", "max", "abs", "math.copysign", "range")


def adjoint_source(source: str, active: Sequence[str], outputs: Sequence[str], scalars: Sequence[str] = ()) -> str:
    """The function ``NAME_adjoint`` of a function's source, without decorator.

    Its arguments are those of the function, but ``bar_OUT`` in the place of every output, followed by ``bar_ARG`` for every
    active argument; what the outputs' weights ``bar_OUT`` make of the arguments is *added* to ``bar_ARG``.

    Parameters
    ----------
    source : str
        ``def name(…): …``: assignments of scalars, sums ``x += …``, and loops over ``range`` in which nothing but sums goes
        from one pass to the next.
    active : sequence of str
        Arguments to differentiate by; arrays, and
    scalars : sequence of str
        those of them that are numbers: their ``bar_ARG`` is an array of one entry.
    outputs : sequence of str
        Arrays that the function fills.
    """
    function = parsed(source).body[0]
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("source: must be one function")
    arguments = [a.arg for a in function.args.args]
    writer = _Adjoint(frozenset(active) - frozenset(scalars), frozenset(scalars), frozenset(outputs))
    lines = writer.function(function.body)
    signature = [f"bar_{a}" if a in outputs else a for a in arguments] + [f"bar_{a}" for a in active]
    body = "\n".join("    " + line for line in lines)
    return f"def {function.name}_adjoint({', '.join(signature)}):\n{body}\n"


@dataclass
class _Block:
    """One body of lines: of the function, or of a loop over ``variable``."""

    variable: str
    #: Worths of array elements that are summed in this body and added to their arrays at its end: name → (array, index).
    sums: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Adjoint:
    """Writes the adjoint of one function."""

    def __init__(self, arrays: frozenset[str], scalars: frozenset[str], outputs: frozenset[str]) -> None:
        self.arrays, self.scalars, self.outputs = arrays, scalars, outputs
        self.live: set[str] = set(scalars)
        self.stack: list[_Block] = []
        self.count = 0
        self.value = ""

    def function(self, body: list[ast.stmt]) -> list[str]:
        """The whole body of the adjoint."""
        statements = [x for x in self._flat(body) if not isinstance(x, ast.Return)]
        lines = self._block(statements, _Block(""))
        start = [f"adj_{name} = 0.0" for name in sorted(self.scalars)]
        return [*start, *lines, *(f"bar_{name}[0] += adj_{name}" for name in sorted(self.scalars))]

    # preparation -----------------------------------------------------------------------------------------------

    def _flat(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements with dear calls as lines of their own, and what is live marked."""
        out: list[ast.stmt] = []
        for statement in body:
            if isinstance(statement, ast.Expr):  # a docstring
                continue
            if isinstance(statement, ast.For):
                out.append(ast.For(statement.target, statement.iter, self._flat(statement.body), []))
                continue
            if isinstance(statement, ast.Assign):
                target, value, plus = statement.targets[0], statement.value, False
                # ``x = x + …`` is a sum.
                if isinstance(target, ast.Name) and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
                    left = value.left
                    if isinstance(left, ast.Name) and left.id == target.id:
                        value, plus = value.right, True
            elif isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
                target, value, plus = statement.target, statement.value, True
            else:
                raise ValueError(f"not a line of a kernel: {ast.unparse(statement)}")
            lifted: list[ast.stmt] = []
            value = self._lift(value, lifted, whole=isinstance(target, ast.Name) and not plus)
            for extra in (*lifted, target):
                name = extra.targets[0] if isinstance(extra, ast.Assign) else extra
                source = extra.value if isinstance(extra, ast.Assign) else value
                if isinstance(name, ast.Name) and self._active(source):
                    self.live.add(name.id)
            out += lifted
            if plus and isinstance(target, (ast.Name, ast.Subscript)):
                out.append(ast.AugAssign(target, ast.Add(), value))
            else:
                out.append(ast.Assign([target], value, lineno=0))
        return out

    def _lift(self, node: ast.expr, lifted: list[ast.stmt], *, whole: bool = False) -> ast.expr:
        """The expression with every dear call replaced by a name that a line before gives its value."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, name, self._lift(value, lifted))
            elif isinstance(value, list):
                setattr(node, name, [self._lift(x, lifted) if isinstance(x, ast.expr) else x for x in value])
        if not isinstance(node, ast.Call) or whole or ast.unparse(node.func) in _CHEAP or not self._active(node):
            return node
        self.count += 1
        fresh = ast.Name(f"call_{self.count}", ast.Load())
        self.live.add(fresh.id)
        lifted.append(ast.Assign([ast.Name(fresh.id, ast.Store())], node, lineno=0))
        return fresh

    def _active(self, node: ast.AST) -> bool:
        """Whether a value depends on what is differentiated by."""
        if isinstance(node, ast.Name):
            return node.id in self.live
        if isinstance(node, ast.Subscript):
            array = ast.unparse(node.value)
            return array in self.arrays or array in self.outputs
        if isinstance(node, ast.Compare):
            return False
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "copy":
            return False
        return any(self._active(child) for child in ast.iter_child_nodes(node))

    # one body --------------------------------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt], block: _Block) -> list[str]:
        """Forward lines as far as they are needed, then the lines backwards."""
        self.stack.append(block)
        backward: list[str] = []
        own = sorted(self._defined(body) & self.live)
        for statement in reversed(body):
            backward += self._backward(statement)
        self.stack.pop()
        start = [f"adj_{name} = 0.0" for name in own] + [f"{name} = 0.0" for name in block.sums]
        end = [f"bar_{array}[{index}] += {name}" for name, (array, index) in block.sums.items()]
        lines = [*start, *backward, *end]
        return [*self._forward(body, set(_NAME.findall("\n".join(lines))))[0], *lines]

    def _defined(self, body: Sequence[ast.stmt]) -> set[str]:
        """Names that begin in this body: assigned in it, not only summed."""
        return {x.targets[0].id for x in body if isinstance(x, ast.Assign) and isinstance(x.targets[0], ast.Name)}

    def _summed(self, body: Sequence[ast.stmt]) -> set[str]:
        """Names that a loop adds to, and that are not its own."""
        found: set[str] = set()
        for x in body:
            if isinstance(x, ast.For):
                found |= self._summed(x.body)
            elif isinstance(x, ast.AugAssign) and isinstance(x.target, ast.Name):
                found.add(x.target.id)
        return found - self._defined(body)

    def _forward(self, body: list[ast.stmt], needed: set[str]) -> tuple[list[str], set[str]]:
        """The lines that the ``needed`` values come from, and all values needed with them."""
        kept: list[list[str]] = []
        needed = set(needed)
        for statement in reversed(body):
            if isinstance(statement, ast.For):
                # Out of a loop come sums alone.
                inner, more = self._forward(statement.body, needed & self._summed(statement.body))
                if inner:
                    needed |= more | set(_NAME.findall(ast.unparse(statement.iter)))
                    kept.append([f"for {ast.unparse(statement.target)} in {ast.unparse(statement.iter)}:"])
                    kept[-1] += ["    " + line for line in inner]
                continue
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target  # type: ignore[attr-defined]
            if isinstance(target, ast.Name) and target.id in needed:
                needed |= set(_NAME.findall(ast.unparse(statement)))
                kept.append([ast.unparse(statement)])
        return [line for lines in reversed(kept) for line in lines], needed

    def _backward(self, statement: ast.stmt) -> list[str]:
        """What a line passes on."""
        if isinstance(statement, ast.For):
            variable = ast.unparse(statement.target)
            inner = self._block(statement.body, _Block(variable))
            head = f"for {variable} in {ast.unparse(statement.iter)}:"
            return [head, *("    " + line for line in inner)] if inner else []
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AugAssign):
            target, value = statement.target, statement.value
        else:
            raise ValueError(f"not a line of a kernel: {ast.unparse(statement)}")
        if not self._active(value):
            return []
        if isinstance(target, ast.Name):
            # A dear call is always the whole of its line: its value has a name.
            self.value = target.id
            return list(self._pass(value, f"adj_{target.id}"))
        return list(self._pass(value, f"bar_{ast.unparse(target)}"))

    def _pass(self, node: ast.expr, worth: str) -> Iterator[str]:
        """Lines that give the ``worth`` of an expression to what it is made of."""
        if not self._active(node):
            return
        if isinstance(node, ast.Name):
            yield f"adj_{node.id} += {worth}"
            return
        if isinstance(node, ast.Subscript):
            yield f"{self._element(node)} += {worth}"
            return
        for operand, text in self._partials(node, worth):
            if not self._active(operand):
                continue
            if isinstance(operand, (ast.Name, ast.Subscript)) or text.isidentifier():
                yield from self._pass(operand, text)
                continue
            self.count += 1
            yield f"part_{self.count} = {text}"
            yield from self._pass(operand, f"part_{self.count}")

    def _element(self, node: ast.Subscript) -> str:
        """Where the worth of an array's element is summed: the innermost loop that its index knows."""
        array, index = ast.unparse(node.value), ast.unparse(node.slice).strip("()")
        if array in self.outputs:
            return f"bar_{array}[{index}]"
        used = set(_NAME.findall(index))
        depth = max(k for k, block in enumerate(self.stack) if not block.variable or block.variable in used)
        name = "sum_" + array + "_" + re.sub(r"\W+", "_", index).strip("_")
        self.stack[depth].sums[name] = (array, index)
        return name

    def _partials(self, node: ast.expr, worth: str) -> list[tuple[ast.expr, str]]:
        """The operands of one operation, each with ``worth`` × the partial derivative."""
        if isinstance(node, ast.UnaryOp):
            return [(node.operand, f"-({worth})" if isinstance(node.op, ast.USub) else worth)]
        if isinstance(node, ast.IfExp):
            test = ast.unparse(node.test)
            return [
                (node.body, f"(({worth}) if {test} else 0.0)"),
                (node.orelse, f"(0.0 if {test} else ({worth}))"),
            ]
        if isinstance(node, ast.BinOp):
            left, right = f"({ast.unparse(node.left)})", f"({ast.unparse(node.right)})"
            if isinstance(node.op, ast.Add):
                return [(node.left, worth), (node.right, worth)]
            if isinstance(node.op, ast.Sub):
                return [(node.left, worth), (node.right, f"-({worth})")]
            if isinstance(node.op, ast.Mult):
                return [(node.left, f"({worth}) * {right}"), (node.right, f"({worth}) * {left}")]
            if isinstance(node.op, ast.Div):
                return [(node.left, f"({worth}) / {right}"), (node.right, f"-({worth}) * {left} / ({right} * {right})")]
            if isinstance(node.op, ast.Pow):
                if self._active(node.right):
                    whole = f"{left} ** {right}"
                    return [
                        (node.left, f"({worth}) * {right} * {left} ** ({right} - 1)"),
                        (node.right, f"({worth}) * {whole} * math.log({left})"),
                    ]
                return [(node.left, f"({worth}) * {right} * {left} ** ({right} - 1)")]
        if isinstance(node, ast.Call):
            return self._call(node, worth)
        raise ValueError(f"no derivative of {ast.unparse(node)}")

    def _call(self, node: ast.Call, worth: str) -> list[tuple[ast.expr, str]]:
        name, texts = ast.unparse(node.func), [f"({ast.unparse(a)})" for a in node.args]
        if name in ("min", "max"):
            sign = "<=" if name == "min" else ">="
            out = []
            for k, operand in enumerate(node.args):
                others = [texts[k] + (sign if k < j else sign[0]) + texts[j] for j in range(len(texts)) if j != k]
                out.append((operand, f"(({worth}) if {' and '.join(others)} else 0.0)"))
            return out
        if name not in SLOPES:
            raise ValueError(f"no derivative of {name}")
        return [
            (operand, f"({worth}) * ({slope.format(*texts, value=self.value)})")
            for operand, slope in zip(node.args, SLOPES[name], strict=True)
            if slope
        ]
