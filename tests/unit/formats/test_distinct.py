# SPDX-License-Identifier: LGPL-2.1-or-later
"""The number of distinct stacks and names is limited, in both parsers."""

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.formats import distinct
from spo_trace.formats.parser_choice import page_batches
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.native import library
from tests.support import page

HINT = "give the page_owner of one machine; if it is, please report this"


@pytest.fixture(params=["compiled", "reference"], autouse=True)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "reference":
        monkeypatch.setattr(library, "load", lambda: None)


def read(texts: list[bytes]) -> int:
    """Return the number of rows in the text of page_owner."""
    text = KernelText("page_owner", Chunks(texts))
    return sum(batch.num_rows for batch in page_batches(text, StackTable(), lambda reject: None))


def stacks(number: int) -> list[bytes]:
    """Return records with as many distinct stacks, each twice."""
    return [page(2 * n + again, stack=[b"f%d+0x1/0x2" % n]) for again in (0, 1) for n in range(number)]


def test_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MAX_STACKS", 5)
    assert read(stacks(5)) == 10
    with pytest.raises(SpoTraceError) as caught:
        read(stacks(6))
    assert (caught.value.message, caught.value.hint) == ("the text has more than 5 distinct stacks", HINT)


@pytest.mark.parametrize("column", ["comm", "memcg"])
def test_names(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def named(number: int) -> list[bytes]:
        names = [b"n%d" % n for n in range(number)] * 2
        if column == "comm":
            return [page(n, 0, name) for n, name in enumerate(names)]
        return [page(n, tail=b"Charged to memcg %b\n" % name) for n, name in enumerate(names)]

    monkeypatch.setattr(distinct, "MAX_NAMES", 5)
    assert read(named(5)) == 10
    with pytest.raises(SpoTraceError) as caught:
        read(named(6))
    assert (caught.value.message, caught.value.hint) == (f"the text has more than 5 distinct names ({column})", HINT)


def test_handles_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MAX_STACKS", 5)
    table = StackTable()
    with pytest.raises(SpoTraceError, match="more than 5 distinct stacks"):
        for handle in range(8):
            table.know_handle(handle, b" f%d+0x1/0x2\n" % handle)
