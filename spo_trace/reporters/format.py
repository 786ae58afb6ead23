# SPDX-License-Identifier: LGPL-2.1-or-later
"""Format and parse numbers for people."""

import re

from spo_trace.limits import MAX_SIZE_CHARACTERS

__all__ = [
    "UNKNOWN",
    "counted",
    "format_rate",
    "format_share",
    "format_short",
    "format_size",
    "parse_rate",
    "parse_size",
]

# Shown for an unknown amount: 0 would be wrong.
UNKNOWN = "?"

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_size(size: float, *, signed: bool = False) -> str:
    """Return bytes in the largest unit that leaves at least 1 before the point.

    >>> format_size(269139968), format_size(-4096, signed=True)
    ('256.67 MiB', '-4.00 KiB')
    """
    unit = 0
    value = float(size)
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    text = f"{value:+.2f}" if signed and size else f"{value:.2f}"
    return f"{text.removesuffix('.00') if unit == 0 else text} {_UNITS[unit]}"


def format_short(size: int) -> str:
    """Return bytes with three digits, for sentences.

    >>> format_short(269139968), format_short(2072576), format_short(0)
    ('257 MiB', '1.98 MiB', '0 B')
    """
    number, unit = format_size(size).split(" ")
    if unit == "B":
        return f"{number} {unit}"
    digits = max(0, 3 - len(number.partition(".")[0].lstrip("-")))
    text = f"{float(number):.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"


def format_share(share: float) -> str:
    """Return a share (0 to 1) in percent."""
    # A share just below 0 is printed as 0.0%.
    return f"{100 * share:.1f}%".replace("-0.0%", "0.0%")


def format_rate(rate: float) -> str:
    """Return bytes per second, signed."""
    return f"{format_size(rate, signed=True)}/s"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun; `one` is the singular, `many` the plural if that is not `one` with an s.

    >>> counted(1, "row"), counted(1000, "row"), counted(2, "row is", "rows are")
    ('1 row', '1,000 rows', '2 rows are')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 512K, 64Mi, 64MiB or 1.5G; raise ValueError for anything else."""
    if len(text) > MAX_SIZE_CHARACTERS:
        raise ValueError(f"{text[:MAX_SIZE_CHARACTERS]}… is too long for a size")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGTPE])i?)?B?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"{text!r} is not a size")
    # It would take memory in a trace as long as that runs.
    from fractions import Fraction

    return int(Fraction(match[1]) * 1024 ** ("KMGTPE".find(match[2].upper()) + 1 if match[2] else 0))


_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400}


def parse_rate(text: str) -> float:
    """Return the bytes per second of a rate such as 10K/s, 1MiB/h or 0; raise ValueError for anything else.

    >>> parse_rate("36K/h")
    10.24
    """
    size, slash, unit = text.partition("/")
    amount = parse_size(size)
    if not slash and amount:
        raise ValueError(f"{text!r} is not a rate: the unit of time is missing")
    if slash and unit.strip() not in _SECONDS:
        raise ValueError(f"{unit.strip()!r} is not one of {', '.join(_SECONDS)}")
    try:
        return amount / _SECONDS[unit.strip() if slash else "s"]
    except OverflowError as error:
        raise ValueError(f"{text[:20]}… is too large for a rate") from error
