# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/keys.md: every key of --by, --where and --sort, from the table of keys (`make docs`)."""

from collections.abc import Iterable

from spo_trace.analysis.keys import FRAME_KEYS, KEY_TABLE, Key

__all__ = ["keys_page"]

_HEAD = """\
# Keys

What memory and swap can be grouped by (`--by`), selected by (`--where`) and sorted by (`--sort`, a key of `--by`).
The Python API takes the same names: `spo.attribute(snap, by=["callsite", "order"], where='type == 0')`. This page is
made from the table of keys by `make docs`; [SCHEMA.md](../spo_trace/snapshots/SCHEMA.md) says which kernels print what.

"Found in" names the table that has the key. A row of the other table has no value: `-` in a table, empty in CSV, null
in JSON. In `--where` such a row matches no comparison; `NAME.isna()` selects it. A key of the stack is known for memory
and swap alike.

In `--where`, text needs quotes and numbers do not: `'comm == "dd" and order > 0'`. `stack` and `symbols` are one text
there, as in CSV and JSON: frames innermost first, with `;` between them, and `\\073` for a `;` inside a frame. In the
Python API they are tuples of frames. Folded stacks have a `:` for a `;` inside a frame.
"""


def keys_page() -> str:
    """Return the text of docs/keys.md."""
    of_frames = [KEY_TABLE[name] for name in FRAME_KEYS]
    columns = [key for key in KEY_TABLE.values() if key not in of_frames]
    return f"{_HEAD}\n## Of the stack\n\n{_rows(of_frames)}\n## Columns\n\n{_rows(columns)}"


def _rows(keys: Iterable[Key]) -> str:
    head = "| key | kind | found in | meaning |\n|---|---|---|---|\n"
    return head + "".join(f"| {key.name} | {key.kind.value} | {_place(key)} | {key.meaning} |\n" for key in keys)


def _place(key: Key) -> str:
    if key.of_stack:
        return "the stack"
    return " and ".join(name for name, column in (("memory", key.pages), ("swap", key.swap)) if column)


if __name__ == "__main__":
    print(keys_page(), end="")
