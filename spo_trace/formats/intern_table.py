# SPDX-License-Identifier: LGPL-2.1-or-later
"""Byte strings, each kept once, for the compiled scanner: hashed, then compared, so that a collision merges nothing."""

import numpy as np
import numpy.typing as npt
from numba import njit

from spo_trace.formats.bytescan import PADDING, count_newlines, equal, hash_bytes, load8, store8

__all__ = ["FULL", "NEWLINES", "InternTable", "intern"]

# What `intern` returns when there is no room: the caller makes some (InternTable.grow) and asks again.
FULL = -1

# The columns of InternTable.spans.
START, LENGTH, NEWLINES, KIND = range(4)

_STRINGS = 1 << 13
_ARENA = 1 << 22


class InternTable:
    """Number strings from 0 in order of first appearance; equal strings of two kinds are two strings.

    The bytes stand one after the other in `arena`, `spans` says where, `slots` is an open-addressed hash table of
    their numbers. `used`: how many strings, and bytes of the arena.
    """

    def __init__(self) -> None:
        self.slots = np.full(4 * _STRINGS, -1, np.int32)
        self.hashes = np.zeros(_STRINGS, np.uint64)
        self.spans = np.zeros((_STRINGS, 4), np.int64)
        self.arena = np.zeros(_ARENA + PADDING, np.uint8)
        self.used = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self.used[0])

    def __getitem__(self, number: int) -> tuple[int, bytes]:
        """Return kind and bytes of a string."""
        start, length, _, kind = (int(value) for value in self.spans[number])
        return kind, self.arena[start : start + length].tobytes()

    def grow(self) -> None:
        """Make twice the room."""
        self.hashes = np.concatenate([self.hashes, np.zeros_like(self.hashes)])
        self.spans = np.concatenate([self.spans, np.zeros_like(self.spans)])
        self.arena = np.concatenate([self.arena, np.zeros_like(self.arena)])
        self.slots = np.full(4 * len(self.hashes), -1, np.int32)
        _fill_slots(self.slots, self.hashes, len(self))


@njit(cache=True, nogil=True, forceinline=True)
def _fill_slots(slots: npt.NDArray[np.int32], hashes: npt.NDArray[np.uint64], count: int) -> None:
    mask = len(slots) - 1
    for number in range(count):
        slot = np.int64(hashes[number]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = number


@njit(cache=True, nogil=True, forceinline=True)
def intern(
    kind: int,
    address: int,
    length: int,
    slots: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    spans: npt.NDArray[np.int64],
    arena: int,
    room: int,
    used: npt.NDArray[np.int64],
) -> int:
    """Return the number of the string of `length` bytes at `address`, a new one if it was not there, or FULL."""
    hashed = hash_bytes(address, length) + np.uint64(kind)
    mask = len(slots) - 1
    slot = np.int64(hashed) & mask
    while slots[slot] >= 0:
        number = np.int64(slots[slot])
        alike = hashes[number] == hashed and spans[number, LENGTH] == length and spans[number, KIND] == kind
        if alike and equal(arena + spans[number, START], address, length):
            return number
        slot = (slot + 1) & mask
    number, start = used[0], used[1]
    if number == len(hashes) or start + length + PADDING > room:
        return FULL
    for position in range(length):
        store8(arena + start + position, load8(address + position))
    slots[slot] = number
    hashes[number] = hashed
    spans[number, START] = start
    spans[number, LENGTH] = length
    spans[number, NEWLINES] = count_newlines(address, address + length)
    spans[number, KIND] = kind
    used[0] = number + 1
    used[1] = start + length
    return number
