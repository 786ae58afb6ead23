# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/keys.md: every key of --by, --where and --sort, from the table of keys (`make docs`)."""

from collections.abc import Iterable

from spo_trace.analysis.keys import FRAME_KEYS, KEY_TABLE, Key

__all__ = ["keys_page"]

_HEAD = """\
# Keys

Keys group (`--by`), select (`--where`) and sort (`--sort`, by a key of `--by`) memory and swap. The Python API uses
the same names: `spo.attribute(snap, by=["callsite", "order"], where='type == 0')`. [glossary.md](glossary.md) explains
terms and categories; [SCHEMA.md](../spo_trace/snapshots/SCHEMA.md) lists the kernel versions that lack a column.
`make docs` generates this page from the table of keys.

"Found in" shows whether records of memory, of swap or both have the key. Records without it have no value: `-` in a
table, empty in CSV, null in JSON. In `--where`, such records match no comparison; `NAME.isna()` selects them. Keys of
the stack exist for memory and swap.

In `--where`, text is quoted and numbers are not: `'comm == "dd" and order > 0'`. In `--where`, CSV and JSON, `stack`
and `symbols` are a single string: frames innermost first, separated by `;`, with `\\073` for a `;` inside a frame. In
the Python API, they are tuples of frames. In folded stacks, a `;` inside a frame is replaced by `:`.
"""


def keys_page() -> str:
    """Return the text of docs/keys.md."""
    of_frames = [KEY_TABLE[name] for name in FRAME_KEYS]
    columns = [key for key in KEY_TABLE.values() if key not in of_frames]
    return f"{_HEAD}\n## Keys of the stack\n\n{_rows(of_frames)}\n## Columns\n\n{_rows(columns)}"


def _rows(keys: Iterable[Key]) -> str:
    head = "| key | kind | found in | meaning |\n|---|---|---|---|\n"
    return head + "".join(f"| {key.name} | {key.kind.value} | {_place(key)} | {key.meaning} |\n" for key in keys)


def _place(key: Key) -> str:
    if key.of_stack:
        return "the stack"
    return " and ".join(name for name, column in (("memory", key.pages), ("swap", key.swap)) if column)


if __name__ == "__main__":
    print(keys_page(), end="")
