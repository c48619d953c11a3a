"""Compiled functions by their address: generic compiled code that calls any of a kind, without being compiled anew for each.

numba takes a function as an argument too, but looks its address up in Python at every call; here that is done once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numba
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from llvmlite.ir import IRBuilder, Value
    from numba.core.base import BaseContext
    from numba.core.typing import Context
    from numba.core.typing.templates import Signature


def address_of(function: Callable[..., Any], signature: Signature) -> int:
    """Address of a function of `compiled.njit` for the types of a signature (compiled now, if it is not yet)."""
    if not hasattr(function, "get_compile_result"):
        raise TypeError(f"{function!r}: is not compiled")
    result = function.get_compile_result(signature)
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def function_at(signature: Signature) -> Any:
    """A function for compiled code: address → the function of that signature there."""
    kind = types.FunctionType(signature)

    @intrinsic  # type: ignore[untyped-decorator]
    def at(typingctx: Context, address: types.Integer) -> tuple[Signature, Callable[..., Value]]:
        def generate(context: BaseContext, builder: IRBuilder, own: Signature, arguments: Sequence[Value]) -> Value:
            found = cgutils.create_struct_proxy(kind)(context, builder)
            place = builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))
            found.c_addr = found.jit_addr = place
            found.py_addr = cgutils.get_null_value(found.py_addr.type)
            return found._getvalue()

        return kind(numba.int64), generate

    return at


def _stack_array(typingctx: Context, *shape: Any) -> tuple[Signature, Callable[..., Value]]:
    """An array of doubles on the stack, with a shape that the compiler knows; not to be handed out."""
    lengths = [one.literal_value for one in shape]
    kind = types.Array(types.float64, len(lengths), "C")

    def generate(context: BaseContext, builder: IRBuilder, own: Signature, arguments: Sequence[Value]) -> Value:
        from numba.np.arrayobj import populate_array

        count, item = math.prod(lengths), context.get_abi_sizeof(context.get_data_type(types.float64))
        array = context.make_array(kind)(context, builder)
        data = cgutils.alloca_once(builder, context.get_data_type(types.float64), size=max(count, 1))
        strides = [item * math.prod(lengths[k + 1 :]) for k in range(len(lengths))]
        intp = context.get_value_type(types.intp)
        populate_array(
            array, data=builder.bitcast(data, array.data.type), shape=[intp(x) for x in lengths],
            strides=[intp(x) for x in strides], itemsize=intp(item), meminfo=None,
        )  # fmt: skip
        return array._getvalue()

    return kind(types.StarArgTuple.from_types(shape)), generate


#: `_stack_array`, in compiled code: ``stack_array(2, 3)``.
stack_array: Any = intrinsic(prefer_literal=True)(_stack_array)
