# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of keys: by what memory can be grouped, selected and sorted, and which tables have each key."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import NamedTuple

import pyarrow as pa

from spo_trace import schema
from spo_trace.analysis.arguments import names_of
from spo_trace.analysis.place_keys import PLACES, RANGE_MEANING, is_range, lacks_size, range_bytes
from spo_trace.errors import UsageError

__all__ = [
    "COUNTED_APART",
    "FRAME_KEYS",
    "KEYS",
    "KEY_TABLE",
    "SITE",
    "SLAB_CACHE",
    "Absent",
    "Key",
    "Kind",
    "check_keys",
    "is_key",
    "key_of",
    "owner_columns",
    "same_key",
    "suggest",
]


class Kind(Enum):
    """Type of a key's values; `value` is its name for users."""

    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes or no"


class Absent(Enum):
    """What it means that a record has no value of a key; `value` is its name for users."""

    UNKNOWN = "unknown"
    NONE = "none"
    FALSE = "false"


class Key(NamedTuple):
    """Describe one key.

    `pages` and `swap` are its column in these tables, None if a table lacks it. `of_stack`: the key is a property of
    the row's stack instead. `dtype` is the pandas dtype of its column; a tuple of frames is an object. `meaning` is one
    line for the documentation. `absent_in_pages` and `absent_in_swap`: what a missing value means there, if the kernel
    prints the key at all. `printed_with`: the column of pages that has values on every kernel that prints the key.
    `of_place`: the key is a place in physical memory, computed from the PFN.
    """

    name: str
    kind: Kind
    pages: str | None
    swap: str | None
    of_stack: bool
    dtype: str
    meaning: str
    absent_in_pages: Absent = Absent.UNKNOWN
    absent_in_swap: Absent = Absent.UNKNOWN
    printed_with: str | None = None
    of_place: bool = False

    def column(self, table: str) -> str | None:
        """Return the column of `table` (`pages` or `swap`) for this key, None if the table lacks it."""
        return self.pages if table == "pages" else self.swap

    def absent_in(self, table: str) -> Absent:
        """Return what a missing value means in `table`."""
        return self.absent_in_pages if table == "pages" else self.absent_in_swap


# Keys that depend on the frames alone. The kernel's own counts and recordings by stack have these, too.
_OF_FRAMES = {
    "stack": "stack trace of the allocation, as %pS prints it, innermost frame first",
    "symbols": "the stack as function names only: the same in builds of one release, not in two releases",
    "caller": "innermost function that is not part of an allocator: the one that requested the memory",
    "callsite": "innermost function in a module, as `function [module]`; the caller if no frame is in a module",
    "module": "innermost module in the stack, vmlinux if there is none",
    "category": "use of the memory, such as anon, slab, page cache, network",
}
FRAME_KEYS = tuple(_OF_FRAMES)

# Meanings that differ from those in schema.py, which describe one table only.
_MEANINGS = {
    "memcg": "memory cgroup that the page is charged to: its path where memcg_path has it, else its leaf name, escaped",
    "pfn": "page frame number of the head page; in swap, of the page that was swapped out (only with the probes)",
    "stack_id": "row number of the stack in stacks.parquet",
    "kernel_stack_id": "restored pages: stack in page_owner, as a row number of stacks.parquet",
}

# Not a column, but computed for each row: 2**order pages in memory, one page in swap.
_BYTES = Key(
    "bytes",
    Kind.NUMBER,
    "bytes",
    "bytes",
    False,
    "Int64",
    "size of the allocation in bytes; in swap, of one page; in an aggregate, of all that it counts",
)

# Not a column, but computed for each page (analysis/reclaimable.py).
_RECLAIMABLE = Key(
    "reclaimable",
    Kind.TEXT,
    "reclaimable",
    None,
    False,
    "string",
    "what the kernel must do to get the page back: `clean page cache` (drop it), `dirty page cache` (write it first), "
    "`anonymous` and `tmpfs` (swap it out), `lazily freed` (drop it), `reclaimable slab` (free the objects), or "
    "`unevictable` (it cannot); from the page flags and the stack",
)

# Keys whose missing values have another meaning than "unknown", in pages and in swap. A page may be charged to no
# memory cgroup, may never have been migrated, and may have been allocated outside modules. But an entry of
# swap_page_owner does not tell any of that about its page. Slab pages are never swapped out, and an entry is no page
# that was swapped in.
_ABSENT = {
    **dict.fromkeys(
        ("memcg", "memcg_offline", "memcg_objcg", "last_migrate_reason", "module_name"),
        (Absent.NONE, Absent.UNKNOWN),
    ),
    **dict.fromkeys(schema.KERNEL_OWNER.names, (Absent.NONE, Absent.NONE)),
    # What is in swap is reclaimed.
    "reclaimable": (Absent.UNKNOWN, Absent.NONE),
    **dict.fromkeys(("slab", "swapped"), (Absent.UNKNOWN, Absent.FALSE)),
    # Memory has no swap entry.
    **dict.fromkeys(("swp_entry", "swap_type", "swap_offset", "origin"), (Absent.NONE, Absent.UNKNOWN)),
}

# Columns that may have no value in any record, although the kernel prints them: another column tells.
# fcf8935832b8, 5.18: memcg and slab, only with CONFIG_MEMCG. Then pages of the root cgroup are charged, too.
# 7cd12b4abfd2, 4.6: last_migrate_reason, in the same series as the names of migrate types.
_PRINTED_WITH = {
    **dict.fromkeys(("memcg_offline", "memcg_objcg", "slab"), "memcg"),
    "last_migrate_reason": "migratetype",
    "reclaimable": "page_flags",
}

# Keys that every snapshot has; the probes know which pages they restored.
_ALWAYS_KNOWN = frozenset({"bytes", "order", "stack_id", "swapped", *schema.KERNEL_OWNER.names})

# Keys that are none of pages and swap, each usable alone: see analysis/counted_apart.py.
SITE, SLAB_CACHE = "site", "slab_cache"
COUNTED_APART = (SITE, SLAB_CACHE)

# Other names of keys.
_ALIASES = {"type": "swap_type"}


def _table() -> dict[str, Key]:
    pages, swap = schema.READABLE_PAGES, schema.SWAP
    of_frames = [Key(n, Kind.TEXT, None, None, True, _dtype(n, pa.string()), text) for n, text in _OF_FRAMES.items()]
    columns = [_of_column(field, pages, swap) for field in [*pages, *(f for f in swap if f.name not in pages.names)]]
    stacks = [_of_column(field, pages, swap) for field in schema.STACKS if not pa.types.is_list(field.type)]
    places = [_of_place(name, meaning) for name, meaning in PLACES.items()]
    known = {key.name: key for key in [*columns, _BYTES, _RECLAIMABLE, *places, *of_frames]}
    known |= {key.name: key for key in stacks if key.name not in known}
    known = {name: key if key.of_place else _with_absent(key) for name, key in known.items()}
    for alias, name in _ALIASES.items():
        known[alias] = known[name]._replace(name=alias, meaning=f"another name for {name}")
    return known


def _of_column(field: pa.Field, pages: pa.Schema, swap: pa.Schema) -> Key:
    in_pages = field.name if field.name in pages.names else None
    in_swap = field.name if field.name in swap.names else None
    meaning = _MEANINGS.get(field.name, field.metadata[b"meaning"].decode())
    of_stack = not in_pages and not in_swap
    return Key(field.name, _kind(field.type), in_pages, in_swap, of_stack, _dtype(field.name, field.type), meaning)


# Swap is at no place in memory. A page without a PFN is at an unknown one.
def _of_place(name: str, meaning: str) -> Key:
    return Key(
        name,
        Kind.NUMBER,
        name,
        None,
        False,
        "Int64",
        meaning,
        absent_in_swap=Absent.NONE,
        printed_with="pfn",
        of_place=True,
    )


def _with_absent(key: Key) -> Key:
    in_pages, in_swap = _ABSENT.get(key.name, (Absent.UNKNOWN, Absent.UNKNOWN))
    printed_with = None if key.name in _ALWAYS_KNOWN else _PRINTED_WITH.get(key.name, key.pages)
    return key._replace(absent_in_pages=in_pages, absent_in_swap=in_swap, printed_with=printed_with)


def _kind(type: pa.DataType) -> Kind:
    if pa.types.is_boolean(type):
        return Kind.YES_NO
    return Kind.NUMBER if pa.types.is_integer(type) else Kind.TEXT


def _dtype(name: str, type: pa.DataType) -> str:
    if name in ("stack", "symbols"):
        return "object"
    if pa.types.is_uint64(type):
        return "UInt64"
    return {Kind.TEXT: "string", Kind.NUMBER: "Int64", Kind.YES_NO: "boolean"}[_kind(type)]


KEY_TABLE = _table()
KEYS = tuple(KEY_TABLE)


def check_keys(by: str | Iterable[str]) -> list[str]:
    """Return `by` as a list of keys; raise UsageError for one that does not exist or is given twice."""
    keys = names_of(by, "by")
    if len(keys) == 1 and keys[0] in COUNTED_APART:
        return keys
    for place, key in enumerate(keys):
        if not is_key(key):
            if key in COUNTED_APART:
                hint = f"the kernel counts it apart from pages: use {key} alone"
                raise UsageError(f"{key} can't be combined with other keys", hint=hint)
            hint = f"give a list: by={key.split(',')}" if "," in key else suggest(key, KEYS)
            raise UsageError(f"there is no key {key!r}", hint=hint)
        earlier = same_key(key, keys[:place])
        if earlier == key:
            raise UsageError(f"the key {key!r} is given twice", hint="give each key once")
        if earlier is not None:
            raise UsageError(f"{earlier!r} and {key!r} are the same key", hint="give each key once")
    return keys


def is_key(name: str) -> bool:
    """Return whether there is a key with this name; raise UsageError for a range whose size is missing or invalid."""
    if lacks_size(name):
        range_bytes(name)
    return name in KEY_TABLE or is_range(name)


def key_of(name: str) -> Key:
    """Return the key with this name, which must exist."""
    return _of_place(name, RANGE_MEANING) if is_range(name) else KEY_TABLE[name]


def owner_columns(keys: Sequence[str]) -> list[str]:
    """Return the columns that identify the owner of a row: the keys, and whether they are known."""
    return [*keys, schema.KEY_KNOWN] if keys else []


def same_key(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is the key `name` or an alias of it, None without one.

    >>> same_key("type", ["comm", "swap_type"])
    'swap_type'
    """
    wanted = _ALIASES.get(name, name)
    return next((other for other in names if _ALIASES.get(other, other) == wanted), None)


def suggest(word: str, words: Sequence[str]) -> str:
    """Return a hint that suggests the one of `words` that is most like `word`, or lists them all."""
    near = get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(words)}"
