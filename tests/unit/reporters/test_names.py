# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys as text: no name looks like a missing key, an unknown key or an empty name."""

import io
from pathlib import Path

import pandas as pd
import pytest

from spo_trace.api.analyses import attribute
from spo_trace.formats.escape import unescape
from spo_trace.reporters.names import name_of, shown_key, shown_name, stored_name
from spo_trace.reporters.table import render_table
from tests.support import MACHINE, page, snapshot_of

NAMES = ["-", "?", '""', "(no memcg)", "(unknown comm)", "--", "- ", "a", ""]


def test_missing_keys_differ_from_each_other_and_from_every_name() -> None:
    shown = [shown_key(pd.NA, known=True), shown_key(None, known=False), *map(shown_name, NAMES)]
    assert shown[:2] == ["-", "?"] and len(set(shown)) == len(shown)
    assert shown_key(7, known=True) == "7"


@pytest.mark.parametrize("what", ["comm", "memcg"])
def test_graphs_differ_too(what: str) -> None:
    shown = [name_of(pd.NA, what), name_of(None, what, known=True), *(name_of(name, what) for name in NAMES)]
    assert shown[:2] == [f"(unknown {what})", f"(no {what})"] and len(set(shown)) == len(shown)


def test_a_shown_name_can_be_read_back() -> None:
    assert [stored_name(shown_name(name)) for name in NAMES] == NAMES
    assert unescape(shown_name("-")) == b"-" and unescape(shown_name("?")) == b"?"


@pytest.mark.parametrize("markdown", [False, True])
def test_a_memory_cgroup_named_like_a_mark(tmp_path: Path, markdown: bool) -> None:
    # GIVEN cgroups named - and ?, and a page that is not charged
    charged = (page(0x100 + n, tail=b"Charged to memcg %b\n" % name) for n, name in enumerate((b"-", b"?")))
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": b"".join(charged) + page(0x200), "swap_page_owner": b""})
    # THEN the table shows three different owners, and each can be selected as displayed
    out = io.StringIO()
    render_table(attribute(snap, "memcg")[["memcg", "key_known"]], out, markdown=markdown)
    shown = [line.strip("| `").replace("\\\\", "\\") for line in out.getvalue().splitlines()]
    assert sorted(shown[-3:]) == ["-", "\\055", "\\077"]
    for name in ("-", "\\055"):
        assert attribute(snap, "memcg", where=f'memcg == "{name}"')["memcg"].tolist() == ["-"]
