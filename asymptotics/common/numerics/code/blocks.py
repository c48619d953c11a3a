"""Many arrays at one address: compiled code is given a number, and of the arrays loads those that it uses.

numba passes a named tuple of arrays as hundreds of numbers, takes them apart from Python's objects one by one, and counts the
references to all arrays in every function. A `Block` is one number everywhere, and nothing is counted; Python keeps its arrays.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Self, get_args, get_type_hints

import numpy as np
from llvmlite import ir
from numba import float64, int64, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import NativeValue, register_model, unbox

#: Annotations of a block's fields: contiguous arrays of numbers and of whole numbers.
Vector = Annotated[np.ndarray, float64[::1]]
Matrix = Annotated[np.ndarray, float64[:, ::1]]
Cube = Annotated[np.ndarray, float64[:, :, ::1]]
Integers = Annotated[np.ndarray, int64[::1]]


class BlockType(types.Type):  # type: ignore[misc]
    """Type of a kind of block in compiled code.

    Parameters
    ----------
    name : str
    arrays : tuple of (str, numba.types.Array)
        Every array has one place for its address and one for each of its lengths.
    """

    def __init__(self, name: str, arrays: tuple[tuple[str, Any], ...]) -> None:
        self.arrays = dict(arrays)
        self.places, place = {}, 0
        for key, kind in arrays:
            self.places[key] = place
            place += 1 + kind.ndim
        super().__init__(name=f"{name}({', '.join(f'{key}: {kind}' for key, kind in arrays)})")


@register_model(BlockType)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: BlockType) -> None:
        super().__init__(manager, kind, ir.IntType(64))


@infer_getattr
class _Arrays(AttributeTemplate):  # type: ignore[misc]
    key = BlockType

    def generic_resolve(self, value: BlockType, attr: str) -> Any:  # type: ignore[override]
        return value.arrays.get(attr)


@lower_getattr_generic(BlockType)  # type: ignore[untyped-decorator]
def _array(context: Any, builder: Any, kind: BlockType, value: Any, name: str) -> Any:
    """An array of a block; what a block says never changes, so that nothing is read twice."""
    from numba.np.arrayobj import populate_array  # (long to load, and needed by whoever compiles alone)

    of, word = kind.arrays[name], ir.IntType(64)
    block, found, never = builder.inttoptr(value, word.as_pointer()), [], builder.module.add_metadata([])
    for k in range(1 + of.ndim):
        entry = builder.load(builder.gep(block, [context.get_constant(types.intp, kind.places[name] + k)]))
        entry.set_metadata("invariant.load", never)
        found.append(entry)
    size = context.get_abi_sizeof(context.get_data_type(of.dtype))
    strides = [context.get_constant(types.intp, size)]
    for length in found[:1:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(of)(context, builder)
    populate_array(
        array, data=builder.inttoptr(found[0], array.data.type), shape=found[1:], strides=strides,
        itemsize=context.get_constant(types.intp, size), meminfo=None,
    )  # fmt: skip
    return array._getvalue()


@unbox(BlockType)  # type: ignore[untyped-decorator]
def _unboxed(kind: BlockType, block: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(block, "address")
    with cgutils.if_unlikely(c.builder, cgutils.is_null(c.builder, number)):
        c.builder.ret(c.pyapi.get_null_object())
    value = c.pyapi.long_as_longlong(number)
    c.pyapi.decref(number)
    return NativeValue(value, is_error=c.pyapi.c_api_error())


@dataclasses.dataclass(frozen=True)
class Block:
    """Base of a frozen dataclass of arrays that compiled functions take as one argument; see `block`."""

    #: Its type in compiled code.
    _numba_type_: ClassVar[BlockType]
    #: NumPy's types of the numbers of its arrays, in their order.
    _numbers: ClassVar[tuple[np.dtype[Any], ...]]

    @classmethod
    def packed(cls, **arrays: np.ndarray | tuple[int, ...]) -> Self:
        """One of copies of arrays, or of new ones of the given shapes, that all stand in one piece of memory."""
        given = [arrays[name] for name in cls._numba_type_.arrays]
        shapes = tuple([each if isinstance(each, tuple) else each.shape for each in given])
        size, places, words, addresses = _plan(cls._numba_type_, shapes)
        memory = np.empty(size)
        made = [
            np.ndarray(shape, kind, memory, at) for shape, kind, at in zip(shapes, cls._numbers, places, strict=True)
        ]
        for array, each in zip(made, given, strict=True):
            if not isinstance(each, tuple):
                array[...] = each
        new = cls(*made)
        found = words.copy()
        found[addresses] += _address(memory)
        new.__dict__["_words"] = found
        return new

    @cached_property
    def _words(self) -> np.ndarray:
        """Address and lengths of every array."""
        arrays = self._numba_type_.arrays
        return np.array([word for name in arrays for word in self._words_of(name)], dtype=np.int64)

    def _words_of(self, name: str) -> tuple[int, ...]:
        kind, array = self._numba_type_.arrays[name], getattr(self, name)
        if not (array.dtype.name == kind.dtype.name and array.ndim == kind.ndim and array.flags.c_contiguous):
            raise TypeError(f"{name}: is {array.dtype} {array.shape}, must be {kind}")
        return _address(array), *array.shape

    @cached_property
    def address(self) -> int:
        """Where compiled code finds the arrays, as long as this lives."""
        return _address(self._words)

    def replaced(self, **arrays: np.ndarray) -> Self:
        """The same with other arrays."""
        new = dataclasses.replace(self, **arrays)
        if "_words" in self.__dict__:
            words = self._words.copy()
            for name in arrays:
                place = self._numba_type_.places[name]
                of = new._words_of(name)
                words[place : place + len(of)] = of
            new.__dict__["_words"] = words
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        # (Addresses are those of this process.)
        return type(self), tuple(getattr(self, name) for name in self._numba_type_.arrays)


@lru_cache(maxsize=128)
def _plan(kind: BlockType, shapes: tuple[tuple[int, ...], ...]) -> tuple[int, tuple[int, ...], np.ndarray, np.ndarray]:
    """Of arrays in one piece of memory: its numbers, where each begins in it (bytes), `Block._words` from there, and which of these
    are addresses."""
    at, places = 0, []
    words: list[int] = []
    for shape in shapes:
        places.append(8 * at)
        words += (8 * at, *shape)
        at += math.prod(shape)
    return at, tuple(places), np.array(words, dtype=np.int64), np.array(list(kind.places.values()))


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def block(kind: type[Block]) -> Any:
    """The numba type of a class of blocks, from the annotations of its fields; what compiled code is declared with."""
    hints = get_type_hints(kind, include_extras=True)
    arrays = tuple((each.name, get_args(hints[each.name])[1]) for each in dataclasses.fields(kind))
    kind._numba_type_ = BlockType(kind.__name__, arrays)
    kind._numbers = tuple(np.dtype(of.dtype.name) for _, of in arrays)
    return kind._numba_type_
