# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes at an address, eight at a time: what the compiled scanner is made of.

Whatever is read here lies in a buffer that has PADDING bytes after its last: a load of eight may pass the end.
"""

# numba compiles these functions: they take addresses and give numbers, and know nothing of Python's objects.
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "PADDING",
    "count_newlines",
    "digits",
    "equal",
    "find",
    "hash_bytes",
    "hex_digits",
    "load8",
    "load64",
    "store8",
    "word",
]

PADDING = 64

_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_32 = np.uint64(32)

# The longest runs of digits whose value surely fits an int64; longer ones are for the reference parser.
_MAX_DIGITS = 18
_MAX_HEX_DIGITS = 15


def word(text: bytes) -> np.uint64:
    """Return up to eight bytes as `load64` gives them."""
    return np.uint64(int.from_bytes(text, "little"))


def _loader(bits: int) -> Any:
    def load(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.IntType(bits)
            pointer = builder.inttoptr(arguments[0], kind.as_pointer())
            return builder.load(pointer, align=1, typ=kind)

        return (types.uint64 if bits == 64 else types.uint8)(types.int64), generate

    return intrinsic(load)


load64 = _loader(64)
load8 = _loader(8)


@intrinsic
def store8(typing_context: Any, address: Any, byte: Any) -> Any:
    """Write a byte at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        builder.store(arguments[1], pointer)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint8), generate


@intrinsic
def _trailing_zeros(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def find(address: int, end: int, pattern: np.uint64) -> int:
    """Return the address of the next byte that `pattern` repeats eight times, `end` if there is none."""
    while address < end:
        difference = load64(address) ^ pattern
        zeros = (difference - _ONES) & ~difference & _HIGHS
        if zeros != 0:
            return min(address + np.int64(_trailing_zeros(zeros) >> np.uint64(3)), end)
        address += 8
    return end


@njit(cache=True, nogil=True)
def count_newlines(address: int, end: int) -> int:
    """Return how many newlines there are."""
    count = 0
    while address < end:
        count += load8(address) == 10
        address += 1
    return count


@njit(cache=True, nogil=True)
def hash_bytes(address: int, length: int) -> np.uint64:
    """Return a hash of some bytes: for finding them again, not for security."""
    one, two = np.uint64(length) * _MIX, _MIX_2
    position = 0
    while position + 16 <= length:
        one = (one ^ load64(address + position)) * _MIX
        two = (two ^ load64(address + position + 8)) * _MIX_2
        one ^= one >> _32
        two ^= two >> _32
        position += 16
    while position < length:
        one = (one ^ _last(address + position, length - position)) * _MIX
        one ^= one >> _32
        position += 8
    mixed = (one ^ two) * _MIX
    return mixed ^ (mixed >> _32)


@njit(cache=True, nogil=True)
def equal(one: int, two: int, length: int) -> bool:
    """Tell whether two runs of bytes are the same."""
    position = 0
    while position + 8 <= length:
        if load64(one + position) != load64(two + position):
            return False
        position += 8
    return position >= length or _last(one + position, length - position) == _last(two + position, length - position)


@njit(cache=True, nogil=True)
def _last(address: int, length: int) -> np.uint64:
    if length >= 8:
        return load64(address)
    return load64(address) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))


@njit(cache=True, nogil=True)
def digits(address: int) -> tuple[int, int]:
    """Return the value of the decimal digits here and the address after them, 0 for that if none or too many."""
    value, start = 0, address
    while 48 <= load8(address) <= 57:
        value = value * 10 + (np.int64(load8(address)) - 48)
        address += 1
        if address - start > _MAX_DIGITS:
            return 0, 0
    return (value, address) if address > start else (0, 0)


@njit(cache=True, nogil=True)
def hex_digits(address: int) -> tuple[int, int]:
    """Return the value of the hexadecimal digits (0-9, a-f) here and the address after them, 0 as for `digits`."""
    value, start = 0, address
    while True:
        byte = np.int64(load8(address))
        if 48 <= byte <= 57:
            value = value * 16 + (byte - 48)
        elif 97 <= byte <= 102:
            value = value * 16 + (byte - 87)
        else:
            break
        address += 1
        if address - start > _MAX_HEX_DIGITS:
            return 0, 0
    return (value, address) if address > start else (0, 0)
