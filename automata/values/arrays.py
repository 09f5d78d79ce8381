"""numpy arrays as plain parts: dtype, shape and the elements in C order.

numpy is optional and never imported here: a value can only be an array, and a declared type can only name one, in a
process that imported numpy already.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

from automata.errors import InvalidArgument

Array: TypeAlias = Any
"""A `numpy.ndarray` or numpy scalar; numpy's own types cannot be named without importing it."""

Parts: TypeAlias = tuple[str, list[int], bytes]
"""dtype as numpy's string, shape, and the elements."""


def is_array(value: object) -> bool:
    """Whether `value` is exactly an `ndarray` or a numpy scalar."""
    numpy = _numpy()
    return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))


def is_whole_array(value: object) -> bool:
    """Whether `value` is exactly an `ndarray`."""
    return is_array_class(type(value))


def is_array_class(cls: object) -> bool:
    """Whether `cls` is `numpy.ndarray`."""
    numpy = _numpy()
    return numpy is not None and cls is numpy.ndarray


def check_dtype(dtype: Any) -> None:
    """`InvalidArgument` for dtypes whose elements are Python objects or records."""
    if dtype.hasobject:
        raise InvalidArgument(f"a numpy array of dtype {dtype} holds Python objects: give it a plain dtype")
    if dtype.names is not None or _loaded().dtype(dtype.str) != dtype:
        raise InvalidArgument(f"a numpy array of the structured dtype {dtype} cannot be stored: use one array a field")


def split(array: Array) -> Parts:
    """The parts of `array`; `InvalidArgument` for dtypes that `check_dtype` refuses."""
    check_dtype(array.dtype)
    return array.dtype.str, list(array.shape), array.tobytes()


def join(parts: Parts) -> Array:
    """A new writable array of `parts`; `ValueError` if they do not fit together."""
    numpy = _loaded()
    name, shape, data = parts
    dtype = numpy.dtype(name)
    if dtype.hasobject:
        raise ValueError("a stored numpy array names a dtype of Python objects")
    # A bytearray is a private, writable copy: the array may be changed and shares nothing with what was read.
    return numpy.ndarray(tuple(shape), dtype, buffer=bytearray(data))


def _numpy() -> ModuleType | None:
    return sys.modules.get("numpy")


def _loaded() -> ModuleType:
    numpy = _numpy()
    if numpy is None:
        raise InvalidArgument("the value is a numpy array, and numpy is not imported here: import numpy first")
    return numpy
