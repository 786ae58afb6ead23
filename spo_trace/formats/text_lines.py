# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lines of a copied text, each with its place in the input."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Line", "LineStarts", "split_lines"]


class Line(NamedTuple):
    """Hold a line with its newline, and where it begins in the input: byte offset from 0, line from 1."""

    text: bytes
    offset: int
    line: int


def split_lines(chunks: Iterable[bytes], longest: int) -> Iterator[Line]:
    """Yield the lines of a text in chunks cut anywhere; a line longer than `longest` bytes may be yielded in parts."""
    carry = b""
    offset, number = 0, 1
    for chunk in chunks:
        *whole, carry = (carry + chunk).split(b"\n")
        for text in whole:
            yield Line(text + b"\n", offset, number)
            offset += len(text) + 1
            number += 1
        if len(carry) > longest:
            yield Line(carry, offset, number)
            offset += len(carry)
            carry = b""
    if carry:
        yield Line(carry, offset, number)


class LineStarts:
    """Map places in cleaned text to places in the input, using the start of each line in both."""

    def __init__(self) -> None:
        self._clean, self._offsets, self._lines = array("q"), array("q"), array("q")

    def add(self, clean: int, offset: int, line: int) -> None:
        """Add the next line: it begins at byte `clean` of the cleaned text, at `offset` and `line` of the input."""
        self._clean.append(clean)
        self._offsets.append(offset)
        self._lines.append(line)

    @property
    def first(self) -> int:
        """Return where the first line begins in the cleaned text."""
        return self._clean[0]

    def place(self, at: int, width: int = 1) -> tuple[int, int]:
        """Return the offset and the line in the input of byte `at` of the cleaned text.

        `width`: number of input bytes for each byte of cleaned text (2 in UTF-16).
        """
        number = max(0, bisect_right(self._clean, at) - 1)
        return self._offsets[number] + (at - self._clean[number]) * width, self._lines[number]
