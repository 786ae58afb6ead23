# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of keys: by what memory can be grouped, selected and sorted, and which tables have each key."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import NamedTuple

import pyarrow as pa

from spo_trace import schema
from spo_trace.analysis.arguments import names_of
from spo_trace.errors import UsageError

__all__ = ["FRAME_KEYS", "KEYS", "KEY_TABLE", "Key", "Kind", "check_keys", "key_of", "same_key", "suggest"]


class Kind(Enum):
    """Type of a key's values; `value` is its name for users."""

    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes or no"


class Key(NamedTuple):
    """Describe one key.

    `pages` and `swap` are its column in these tables, None if a table lacks it. `of_stack`: the key is a property of
    the row's stack instead. `dtype` is the pandas dtype of its column; a tuple of frames is an object. `meaning` is one
    line for the documentation.
    """

    name: str
    kind: Kind
    pages: str | None
    swap: str | None
    of_stack: bool
    dtype: str
    meaning: str


# Keys that depend on the frames alone. The kernel's own counts and recordings by stack have these, too.
_OF_FRAMES = {
    "stack": "stack trace of the allocation, as %pS prints it, innermost frame first",
    "symbols": "the stack as function names only, mostly the same in all builds of one release",
    "caller": "innermost function that is not part of an allocator: the one that requested the memory",
    "callsite": "innermost function in a module, as `function [module]`; the caller if no frame is in a module",
    "module": "innermost module in the stack, vmlinux if there is none",
    "category": "use of the memory, such as anon, slab, page cache, network",
}
FRAME_KEYS = tuple(_OF_FRAMES)

# Meanings that differ from those in schema.py, which describe one table only.
_MEANINGS = {
    "pfn": "page frame number of the head page; in swap, of the page that was swapped out (only with the probes)",
    "stack_id": "row number of the stack in stacks.parquet",
    "kernel_stack_id": "restored pages: stack in page_owner, as a row number of stacks.parquet",
}

# Not a column, but computed for each row: 2**order pages in memory, one page in swap.
_BYTES = Key(
    "bytes", Kind.NUMBER, "bytes", "bytes", False, "Int64", "size of the allocation in bytes; in swap, of one page"
)

# Other names of keys.
_ALIASES = {"type": "swap_type"}


def _table() -> dict[str, Key]:
    pages, swap = schema.TABLES["pages"], schema.SWAP
    of_frames = [Key(n, Kind.TEXT, None, None, True, _dtype(n, pa.string()), text) for n, text in _OF_FRAMES.items()]
    columns = [_of_column(field, pages, swap) for field in [*pages, *(f for f in swap if f.name not in pages.names)]]
    stacks = [_of_column(field, pages, swap) for field in schema.STACKS if not pa.types.is_list(field.type)]
    known = {key.name: key for key in [*columns, _BYTES, *of_frames]}
    known |= {key.name: key for key in stacks if key.name not in known}
    for alias, name in _ALIASES.items():
        known[alias] = known[name]._replace(name=alias, meaning=f"another name for {name}")
    return known


def _of_column(field: pa.Field, pages: pa.Schema, swap: pa.Schema) -> Key:
    in_pages = field.name if field.name in pages.names else None
    in_swap = field.name if field.name in swap.names else None
    meaning = _MEANINGS.get(field.name, field.metadata[b"meaning"].decode())
    of_stack = not in_pages and not in_swap
    return Key(field.name, _kind(field.type), in_pages, in_swap, of_stack, _dtype(field.name, field.type), meaning)


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
    for place, key in enumerate(keys):
        if key not in KEY_TABLE:
            hint = f"give a list: by={key.split(',')}" if "," in key else suggest(key, KEYS)
            raise UsageError(f"there is no key {key!r}", hint=hint)
        earlier = same_key(key, keys[:place])
        if earlier == key:
            raise UsageError(f"the key {key!r} is given twice", hint="give each key once")
        if earlier is not None:
            raise UsageError(f"{earlier!r} and {key!r} are the same key", hint="give each key once")
    return keys


def key_of(name: str) -> Key:
    """Return the key with this name, which must exist."""
    return KEY_TABLE[name]


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
