# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions: the rows that they keep, and errors for all other expressions."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.where import Condition
from spo_trace.api.analyses import attribute
from spo_trace.errors import UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, SHMEM, entry, page, snapshot_of

HUGE = 0x400000000000001


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return a snapshot of four allocations (1, 2, 4, 8 pages) and two swap entries."""
    pages = [
        page(0x100, 0, b"dd", stack=SHMEM, ts=10),
        page(0x102, 1, b"a'b\n", stack=ANON, ts=20, tail=b"Charged to memcg web.slice\n"),
        page(0x104, 2, b"cat", stack=FS, pid=99, swapped=True),
        page(0x108, 3, b"dd", stack=ANON, tail=b"Slab cache page\n"),
    ]
    swap = entry(HUGE, b"dd") + entry(HUGE + 1, b"cat")
    files = {**MACHINE, "page_owner": b"".join(pages), "swap_page_owner": swap}
    return snapshot_of(tmp_path_factory.mktemp("snap"), files)


@pytest.mark.parametrize(
    ("expression", "mem", "swap"),
    [
        ('comm == "dd"', 9, 1),
        ('comm != "dd"', 6, 1),
        ('comm == "dd" and order > 0', 8, 0),
        ('comm == "cat" or slab', 12, 1),
        ('not comm == "cat"', 11, 1),
        ('comm in ["dd", "nobody"]', 9, 1),
        ('comm not in ["dd", "nobody"]', 6, 1),
        ("comm.isin(['cat'])", 4, 1),
        ('comm.str.startswith("d")', 9, 1),
        ('comm.str.contains("a", regex=False)', 6, 1),
        ('stack.str.contains("shmem_alloc")', 1, 2),
        # A newline is displayed as \n, and conditions use that.
        ('comm == "a\'b\\n"', 2, 0),
        ('comm in ["a\'b\\n", "nobody"]', 2, 0),
        ("comm == 'a\\'b\\n'", 0, 0),
        ('comm.str.endswith("\\n")', 2, 0),
        ('comm.str.contains("^c.t$")', 4, 1),
        # Swap entries have no memcg, so which of them match is unknown; none of them is in the slab allocator.
        ("memcg.isna()", 13, 0),
        ("memcg.notna()", 2, 0),
        ('memcg == "web.slice"', 2, 0),
        # A value that a table lacks is neither equal nor unequal to anything.
        ("swap_type == 1", 0, 2),
        ("swap_type != 1", 0, 0),
        ("order >= 0", 15, 0),
        ("slab", 8, 0),
        ("~slab", 7, 2),
        ("slab == False", 7, 2),
        ("swapped", 4, 0),
        ("order * 2 + 1 > 4", 12, 0),
        ("1 <= order <= 2", 6, 0),
        ("pid == 99", 4, 0),
        # In a uint8 column these would overflow.
        ("-order < 0", 14, 0),
        ("order - 1 < 0", 1, 0),
        ("order * 100 == 300", 8, 0),
        ("ts_nsec - 15 < 0", 13, 2),
        ("(order == 1) | (order == 3)", 10, 0),
        ('caller == "shmem_alloc_folio" and category == "tmpfs/shmem"', 1, 2),
        ('module == "ext4"', 4, 0),
        # Adjacent numbers that are equal as float64.
        (f"swp_entry == {HUGE}", 0, 1),
        (f"swp_entry > {HUGE}", 0, 1),
        (f"swp_entry in [{HUGE + 1}]", 0, 1),
        ("ts_nsec > 99999999999999999999999999", 0, 0),
        ("True", 15, 2),
        ("order < 0", 0, 0),
    ],
)
def test_rows_that_match_are_kept(snap: Snapshot, expression: str, mem: int, swap: int) -> None:
    table = attribute(snap, [], where=expression)
    assert (int(table["mem_pages"].sum()), int(table["swap_pages"].sum())) == (mem, swap)


def test_without_a_condition_all_rows_are_kept(snap: Snapshot) -> None:
    rows = pd.DataFrame({"order": [1, 2]})
    assert Condition(None).keep(rows, "pages", snap) is rows


def test_only_needed_columns_are_read() -> None:
    where = Condition('comm == "dd" and category == "anon"')
    assert where.columns("pages", ["order"]) == ["order", "comm", "stack_id"]
    assert where.columns("swap", ["swap_type"]) == ["swap_type", "comm", "stack_id"]
    assert Condition(None).columns("pages", ["order"]) == ["order"]


@pytest.mark.parametrize(
    "expression",
    [
        "@x == 1",
        "@__import__('os').system('true')",
        "comm.__class__",
        "comm.__class__.__mro__[1].__subclasses__()",
        "comm.to_pickle('/tmp/x')",
        "comm.str.to_pickle('/tmp/x')",
        "comm.values.tofile('/tmp/x')",
        "comm.map(print)",
        "comm.str.cat(comm)",
        "comm.str.contains",
        "comm.isin",
        "comm.str",
        "comm[0]",
        "[order][0]",
        "__import__('os')",
        "(lambda: 1)()",
        "[x for x in comm]",
        "{'a': 1}",
        "f'{comm}'",
        "comm if slab else order",
        "(comm := 'x')",
        "order = 1",
        "order; pid",
        "import os",
        "order > 9**9**9**9",
        "order << 99999999999",
        "`order` == 1",
        "yield order",
        "order >",
        'comm == "dd',
        "\0",
        "",
        "(" * 500,
        "not " * 5000 + "slab",
    ],
)
def test_expressions_that_are_not_conditions(
    snap: Snapshot, expression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        attribute(snap, where=expression)
    assert caught.value.message.startswith("where")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("com == 1", "where: there is no column 'com'", "did you mean 'comm'?"),
        ("__builtins__ == 1", "where: there is no column '__builtins__'", None),
        ("abs > 1", "where: there is no column 'abs'", None),
        ("index == 1", "where: there is no column 'index'", None),
        (
            "comm.drop(0)",
            "where='comm.drop(0)': 'comm.drop(0)' is not a condition on columns",
            """for example: where='comm == "dd" and order > 0'""",
        ),
    ],
)
def test_exact_messages(expression: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression)
    assert caught.value.message == message
    assert caught.value.exit_code == 2
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ('pid == "110"', "pid is a number, '110' is not", "write numbers without quotes: pid == 110"),
        ('order > "x"', "order is a number, 'x' is not", "for example: order > 0"),
        ('pid in [1, "2"]', "pid is a number, '2' is not", "write numbers without quotes: pid == 2"),
        ('"1" == pid', "pid is a number, '1' is not", "write numbers without quotes: pid == 1"),
        ("comm == 110", "comm is text, 110 is not", 'put text in quotes: comm == "110"'),
        ("comm.isin([110])", "comm is text, 110 is not", 'put text in quotes: comm == "110"'),
        ("stack != order", "stack is text, order is not", "compare it with text"),
        ("0 < caller < 2", "caller is text, 0 is not", 'put text in quotes: caller == "0"'),
        ('slab == "yes"', "slab is yes or no, 'yes' is not", "for example: slab, or not slab"),
        ("order + 1 == comm", "comm is text, order + 1 is not", "compare it with text"),
    ],
)
def test_text_is_not_compared_with_numbers(expression: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression)
    assert (caught.value.message, caught.value.hint) == (f"where={expression!r}: {message}", hint)


@pytest.mark.parametrize("expression", ["order == 'a' + 1", "order.str.contains('a')", "1 / 0 > order"])
def test_conditions_that_do_not_fit_the_columns(snap: Snapshot, expression: str) -> None:
    with pytest.raises(UsageError) as caught:
        attribute(snap, where=expression)
    assert caught.value.message.startswith(f"where={expression!r}: ")
