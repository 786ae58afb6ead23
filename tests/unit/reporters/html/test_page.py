# SPDX-License-Identifier: LGPL-2.1-or-later
"""A page is self-contained, and all names in it are text, whatever they contain."""

import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from spo_trace.analysis.ages import AGES
from spo_trace.reporters.html.diff import render_diff
from spo_trace.reporters.html.page import amount, facts_list, notes_list, text
from spo_trace.reporters.html.report import ReportTables, render_report
from spo_trace.stacks.rules import CATEGORIES

EVIL = "</script><script>x()</script><!--{{data}}"

STACKS = pd.DataFrame(
    {
        "stack": [("in+0x1/0x2", EVIL), ("in+0x1/0x2",)],
        "category": ["anon", "slab"],
        "caller": ["in", "in"],
        "callsite": [EVIL, "in"],
        "module": [EVIL, "vmlinux"],
        "comm": [EVIL, pd.NA],
        "mem_bytes": [4096, 1 << 60],
        "swap_bytes": [8192, 0],
        "swap_cache_bytes": [4096, 0],
        "total_bytes": [8192, 1 << 60],
    }
)
OWNERS = pd.DataFrame(
    {
        "memcg": [EVIL, pd.NA],
        "comm": [EVIL, pd.NA],
        "key_known": [True, False],
        "mem_bytes": [1, 2],
        "swap_bytes": [3, 4],
        "swap_cache_bytes": [1, pd.NA],
    }
)
AGE = pd.DataFrame(
    {
        "comm": [EVIL],
        "age_from": [pd.NA],
        "age_to": [pd.NA],
        "mem_bytes": [1],
        "swap_bytes": [2],
        "swap_cache_bytes": [0],
    }
)
BALANCE = pd.DataFrame(
    {
        "section": [EVIL] * 2,
        "kind": ["rest", "verdict"],
        "item": [EVIL] * 2,
        "pages": [-1234] * 2,
        "bytes": [-1234 * 4096] * 2,
        "share": [-0.25] * 2,
        "note": [EVIL, f"-25.0% unexplained {EVIL}"],
        "verdict": [pd.NA, "off"],
    }
)


class Structure(HTMLParser):
    """Collect the elements of a page, its JSON, and attributes that would load other files."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self._in_data = ("id", "data") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def report(balance: pd.DataFrame | None = BALANCE) -> str:
    out = io.StringIO()
    tables = ReportTables(STACKS, OWNERS, AGE, balance, AGES, CATEGORIES)
    render_report(tables, out, title=EVIL, facts=[("name", EVIL), ("none", None)], notes=[EVIL], version="0")
    return out.getvalue()


def difference() -> str:
    names = ("mem", "swap", "swap_cache", "total")
    amounts = {f"{name}_bytes_{part}": [0, 4096] for name in names for part in ("a", "b", "delta")}
    table = STACKS.rename(columns={"stack": "symbols"}).assign(**amounts)
    out = io.StringIO()
    render_diff(table, out, title=EVIL, facts=[[("A", EVIL)]], notes=[EVIL], seconds=None, version="0")
    return out.getvalue()


@pytest.mark.parametrize("page", [report(), difference()], ids=["report", "diff"])
def test_a_page_is_one_file_and_names_are_text(page: str) -> None:
    structure = Structure(page)
    # THEN it has its own two scripts, every placeholder is filled, and nothing is loaded
    assert structure.tags.count("script") == 2 and structure.tags.count("style") == 1
    assert not {"img", "link rel=stylesheet", "iframe"} & set(structure.tags)
    assert structure.loads == ["data:,"]
    assert "default-src 'none'" in page
    assert set(re.findall(r"\{\{\w+\}\}", page)) == {"{{data}}"}
    # AND its data is JSON without an angle bracket
    assert "<" not in structure.data
    assert EVIL in json.loads(structure.data)["comms"]


def test_the_data_of_a_report() -> None:
    data = json.loads(Structure(report()).data)
    assert data["frames"] == ["in+0x1/0x2", EVIL]
    assert data["stacks"] == {
        "frames": [[0, 1], [0]],
        "category": ["anon", "slab"],
        "caller": ["in", "in"],
        "callsite": [EVIL, "in"],
        "module": [EVIL, "vmlinux"],
        "plumbing": [[0, 0], [0, 0]],
    }
    assert data["comms"] == [EVIL, "(unknown comm)"]
    assert data["rows"] == [[0, 0, 4096, 8192, 4096], [1, 1, 1 << 60, 0, 0]]
    assert data["owners"] == [[EVIL, 0, 1, 3, 1], ["(unknown memcg)", 1, 2, 4, None]]
    assert data["ages"] == {"begins": list(AGES), "rows": [[0, None, 1, 2, 0]]}
    assert data["categories"] == list(CATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_category_is_described_and_has_a_colour(category: str) -> None:
    page = report()
    assert f"<dt>{category}</dt><dd>{CATEGORIES[category]}</dd>" in page
    # As colourOf() of flame.js names it.
    assert f"--{category.replace(' ', '-').replace('/shmem', '')}: #" in page


def test_the_data_of_a_difference_of_two_kernels() -> None:
    data = json.loads(Structure(difference()).data)
    assert data["rows"] == [[0, *[0] * 7], [1, 1, *[4096] * 6]]
    assert data["seconds"] is None


def test_the_balance_has_signs_and_verdicts() -> None:
    page = report()
    assert "off: -25.0% unexplained" in page and "-1,234 pages" in page
    assert 'title="-5,054,464 bytes">-4.82 MiB' in page
    assert "unexplained" not in report(None)


def test_pieces() -> None:
    assert text('<a "\x1b\u202e&') == "&lt;a &quot;\\033\\342\\200\\256&amp;"
    assert amount(4096, signed=True) == '<data value="4096" title="4,096 bytes">+4.00 KiB</data>'
    assert facts_list([("a", "b"), ("c", None)]) == '<dl class="facts"><div><dt>a</dt><dd>b</dd></div></dl>'
    assert notes_list(["<"]) == '<p class="note">&lt;</p>'


def test_the_page_of_a_large_machine_is_small() -> None:
    # GIVEN 10,000 stacks of 16 frames, out of 4,000 functions
    stacks = [tuple(f"some_function_{(i * 7 + d * d) % 4000}+0x1/0x2" for d in range(16)) for i in range(10_000)]
    comms = [f"comm-{i % 300}" for i in range(10_000)]
    table = STACKS.head(1).loc[[0] * len(stacks)].assign(stack=pd.Series(stacks).to_numpy(), comm=comms)
    out = io.StringIO()
    tables = ReportTables(table, OWNERS, AGE, None, AGES, CATEGORIES)
    render_report(tables, out, title="", facts=[], notes=[], version="0")
    assert len(out.getvalue()) < 3_000_000
