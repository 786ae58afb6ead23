# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/keys.md: every key of --by, --where and --sort, from the table of keys (`make docs`)."""

from collections.abc import Iterable

from spo_trace.analysis.keys import FRAME_KEYS, KEY_TABLE, Key, key_of
from spo_trace.analysis.place_keys import PLACES, RANGE

__all__ = ["keys_page"]

_HEAD = """\
# Keys

Keys group (`--by`), select (`--where`) and sort (`--sort`, by a key of `--by`) memory and swap. The Python API uses
the same names: `spo.attribute(snap, by=["callsite", "order"], where='type == 0')`. [glossary.md](glossary.md) explains
terms and categories; [SCHEMA.md](../spo_trace/snapshots/SCHEMA.md) lists the kernel versions that lack a column.
`make docs` generates this page from the table of keys.

"Found in" shows whether records of memory, of swap or both have the key. Keys of the stack exist for both. "Else"
shows what it means that a record has no value:

- unknown: the kernel does not print or keep it. All such records are one row: `?` in a table, empty in CSV and null in
  JSON, with `key_known` false. If swap entries lack a key, the other rows have no amount of swap (`?`, empty, null), as
  each may have a part of it. `--where` with such a key selects memory only: the amount of swap is unknown, and the
  total is that of memory.
- none: it is known that there is none, such as the memory cgroup of a page that is not charged: `-` in a table,
  empty or null with `key_known` true. If no page of a snapshot has a memory cgroup, the kernel does not print them,
  and all are unknown. The same holds for every key that a kernel does not print.
- false: it is known to be false.

In `--where`, records without a value match no comparison; `NAME.isna()` selects them. If a key is unknown for memory
and for swap, `--where` with this key is an error.

Two keys are special. `site` is the place in the kernel's source that allocated memory, as in /proc/allocinfo
(`mm/slub.c:3061 func:alloc_slab_page`). `slab_cache` is a cache of the slab allocator, as in /proc/slabinfo. `report`,
`diff`, `watch` and `trend` accept each of them alone, with neither another key nor `--where`, because the kernel only
counts them and does not record which pages belong to which site or cache.

If the owners of swap are unknown, `report` by `comm`, `tgid`, `category`, `memcg` or `memcg_path` shows how much swap
each has at least, if the machine shows it: see [captures.md](captures.md#swap-with-unknown-owners).

A name that looks like a mark (`-`, `?`, or `""` for an empty name) is shown as `\\055`, `\\077` or `\\042"`. CSV and
JSON have the name itself.

In `--where`, text is quoted and numbers are not: `'comm == "dd" and order > 0'`. In `--where`, CSV and JSON, `stack`
and `symbols` are a single string: frames innermost first, separated by `;`, with `\\073` for a `;` inside a frame. In
the Python API, they are tuples of frames. In folded stacks, a `;` inside a frame is replaced by `:`.
"""

_PLACES = """
Places in physical memory are computed from the PFN. `pfn_range` has its size in its name: `--by pfn_range_64M`,
`--where 'pfn_range_1G == 0x40000'`. An allocation that spans several pageblocks, memory blocks or ranges is split: each
has the pages in it, so that the sums of any grouping are the same. `--where` with a place counts the parts that match;
`export --where` writes the records that have such a part, whole. A place is unknown for a record without a PFN,
and if snapshot.json lacks the size of a pageblock or a memory block; then `--where` with it is an error. Swap is at no
place in memory.

"""


def keys_page() -> str:
    """Return the text of docs/keys.md."""
    of_frames = [KEY_TABLE[name] for name in FRAME_KEYS]
    of_range = key_of(f"{RANGE}_64M")._replace(name=f"{RANGE}_SIZE")
    places = [*(KEY_TABLE[name] for name in PLACES), of_range]
    columns = [key for key in KEY_TABLE.values() if key not in (*of_frames, *places)]
    parts = {
        "Keys of the stack": f"\n{_rows(of_frames)}",
        "Places": _PLACES + _rows(places),
        "Columns": f"\n{_rows(columns)}",
    }
    return _HEAD + "".join(f"\n## {title}\n{text}" for title, text in parts.items())


def _rows(keys: Iterable[Key]) -> str:
    head = "| key | kind | found in | else | meaning |\n|---|---|---|---|---|\n"
    lines = (f"| {key.name} | {key.kind.value} | {_place(key)} | {_else(key)} | {key.meaning} |\n" for key in keys)
    return head + "".join(lines)


def _else(key: Key) -> str:
    if key.absent_in_pages is key.absent_in_swap:
        return key.absent_in_pages.value
    return f"memory: {key.absent_in_pages.value}, swap: {key.absent_in_swap.value}"


def _place(key: Key) -> str:
    if key.of_stack:
        return "the stack"
    return " and ".join(name for name, column in (("memory", key.pages), ("swap", key.swap)) if column)


if __name__ == "__main__":
    print(keys_page(), end="")
