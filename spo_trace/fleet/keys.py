# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys of a fleet: those of records that the cube has, those of their stacks, and those of hosts."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from spo_trace.analysis.arguments import names_of
from spo_trace.analysis.keys import key_of, suggest
from spo_trace.analysis.stack_match import STACK_COLUMNS, Match
from spo_trace.errors import Argument, UsageError
from spo_trace.fleet.selection import FIELDS, LABEL
from spo_trace.fleet.tables import CUBE_KEYS

__all__ = ["COMMON", "COMMON_STACK", "FRAMES", "FleetKey", "Home", "fleet_key", "fleet_keys", "record_key"]

_OF_STACK = ("stack", "symbols", "caller", "callsite", "module", "category")

COMMON = (*_OF_STACK, *CUBE_KEYS, *FIELDS)


class Home(Enum):
    """Where a key's column is; the value is the name of the table in SQL."""

    CUBE = "cube"
    STACKS = "stacks"
    CHOSEN = "chosen"


class FleetKey(NamedTuple):
    """Describe a key: its name, the table that has it, and the pandas dtype of its column."""

    name: str
    home: Home
    dtype: str

    @property
    def of_record(self) -> bool:
        """Return whether a condition can use it."""
        return self.home is not Home.CHOSEN


# What the stacks of two kernels have in common. It depends on the kernels, so that only a difference has it.
COMMON_STACK = FleetKey(STACK_COLUMNS[Match.COMMON], Home.STACKS, "string")

# Keys whose values are frames; in the tables they are hashes.
FRAMES = tuple(STACK_COLUMNS.values())


def fleet_key(name: str) -> FleetKey:
    """Return the key with this name; raise UsageError if a fleet has none."""
    if name in _OF_STACK:
        return FleetKey(name, Home.STACKS, "string")
    if name in CUBE_KEYS:
        return FleetKey(name, Home.CUBE, key_of(name).dtype)
    if name in FIELDS or (name.startswith(LABEL) and len(name) > len(LABEL)):
        return FleetKey(name, Home.CHOSEN, "string")
    hint = suggest(name, (*COMMON, "label.NAME"))
    raise UsageError(f"a fleet has no key {name!r}", hint=hint)


def fleet_keys(by: str | Iterable[str]) -> list[FleetKey]:
    """Return at least one key; raise UsageError for one that a fleet lacks or that is given twice."""
    names = names_of(by, "by")
    if not names:
        raise UsageError("by needs at least one key", hint=f"choose from {', '.join(COMMON)}, label.NAME")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UsageError(f"the key {name!r} is given twice", hint="give each key once")
    return [fleet_key(name) for name in names]


def record_key(name: str) -> FleetKey:
    """Return a key that a condition uses; raise UsageError if the cube does not have it."""
    key = fleet_key(name)
    if not key.of_record:
        raise UsageError(f"where selects records: {name} is of hosts", hint=("use ", Argument("only", f"{name}=VALUE")))
    return key
