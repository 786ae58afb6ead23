# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fit the columns of a table to a terminal: names are shortened, numbers never."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len

__all__ = ["Column", "Fitted", "aligned", "fitted", "joined_parts", "shortened", "unicode_mark"]

_GAP = 2

# Columns of the terminal that names get before amounts are left out for them.
_LEAST_NAME = 8


class Column(NamedTuple):
    """Hold a column of a table: `cells` below its `title`.

    `right`: aligned to the right, as amounts are. `shortens`: has names, which may be shortened; numbers never are.
    """

    name: str
    title: str
    cells: Sequence[str]
    right: bool
    shortens: bool

    @property
    def width(self) -> int:
        """Return the columns of the terminal that the longest cell takes."""
        return max(map(cell_len, (self.title, *self.cells)))


class Fitted(NamedTuple):
    """Hold the columns that are shown, the width of each, and the titles of those that are left out."""

    columns: list[Column]
    widths: list[int]
    left_out: list[str]


def fitted(columns: Sequence[Column], width: int, expendable: Iterable[str] = ()) -> Fitted:
    """Return the `columns` that fit in `width`: of `expendable` names, as few as possible are left out, in this order.

    Where the numbers of the others need more than `width`, lines are longer than that.
    """
    left_out: list[str] = []
    shown = list(columns)
    for name in expendable:
        least = [min(one.width, _LEAST_NAME) if one.shortens else one.width for one in shown]
        if sum(least) + _GAP * (len(shown) - 1) <= width:
            break
        left_out += [one.title for one in shown if one.name == name]
        shown = [one for one in shown if one.name != name]
    numbers = sum(one.width for one in shown if not one.shortens)
    longest = _longest([one.width for one in shown if one.shortens], width - numbers - _GAP * (len(shown) - 1))
    return Fitted(shown, [min(one.width, longest) if one.shortens else one.width for one in shown], left_out)


# The width at which names of these widths are shortened, so that they take at most `room` together.
def _longest(widths: Sequence[int], room: int) -> int:
    return next((most for most in range(room, 0, -1) if sum(min(one, most) for one in widths) <= room), 1)


def aligned(cells: Iterable[str], fit: Fitted, mark: str) -> list[str]:
    """Return the cells of one row, shortened and padded to the widths of the columns, with the gaps between them."""
    rows = zip(cells, fit.columns, fit.widths, strict=True)
    padded = [_padded(cell, column, width, mark) for cell, column, width in rows]
    return [cell + " " * _GAP for cell in padded[:-1]] + [cell.rstrip() for cell in padded[-1:]]


def _padded(cell: str, column: Column, width: int, mark: str) -> str:
    # A long title must not widen a column of names.
    text = shortened(cell, width, mark) if column.shortens else cell
    blank = " " * (width - cell_len(text))
    return blank + text if column.right else text + blank


def shortened(text: str, width: int, mark: str = "…") -> str:
    """Return text of at most `width` columns: the middle of a longer one is replaced by `mark`.

    Paths differ at the end, and frames end with an offset and a module.

    >>> shortened("/system.slice/ssh.service", 16), shortened("dd", 16)
    ('/system.…service', 'dd')
    """
    if cell_len(text) <= width:
        return text
    room = max(width - len(mark), 0)
    head = _first(text, room - room // 2)
    tail = _first(text[::-1], room // 2)[::-1]
    return (head + mark + tail)[: max(width, 1)]


# The first characters of `text` that take at most `room` columns.
def _first(text: str, room: int) -> str:
    end = 0
    for char in text:
        room -= cell_len(char)
        if room < 0:
            break
        end += 1
    return text[:end]


def joined_parts(parts: Sequence[str], gap: str, width: int, mark: str) -> str:
    """Return as many of the first `parts` as fit in `width`, joined with `gap`; only the first one is shortened."""
    text = parts[0] if parts else ""
    for part in parts[1:]:
        if cell_len(text) + cell_len(gap) + cell_len(part) > width:
            break
        text += gap + part
    return shortened(text, width, mark)


def unicode_mark(encoding: str) -> str:
    """Return the mark of shortened names for a terminal with this encoding."""
    return "…" if encoding.lower().startswith("utf") else "..."
