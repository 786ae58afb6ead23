# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sparkline: numbers drawn as one line of characters."""

from collections.abc import Sequence

__all__ = ["sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-~=+*#"

# Least span of the scale, as a share of the highest value: otherwise one page more in a gigabyte would fill the scale.
_LEAST_SPAN = 0.02


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """Return the last `width` values as characters, scaled from the lowest to the highest value.

    >>> sparkline([0, 10, 20, 40], 8)
    '▁▃▅█'
    """
    shown = list(values)[-width:]
    if not shown:
        return ""
    marks = _ASCII if ascii_only else _BLOCKS
    low, high = min(shown), max(shown)
    span = max(high - low, _LEAST_SPAN * abs(high)) or 1
    return "".join(marks[round((value - low) / span * (len(marks) - 1))] for value in shown)
