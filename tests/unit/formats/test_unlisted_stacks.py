# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks that are not on the kernel's list are read from pages that have them."""

from spo_trace.formats.parser_choice import page_batches
from spo_trace.formats.record import Reject
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, KernelText, StackOfPage
from tests.support import page

LINES = b" a+0x1/0x2\n"


def pages_with(handle: int, count: int) -> bytes:
    """Return records of pages that have a handle in place of the stack."""
    return b"".join(page(pfn, stack=(), tail=b"handle: %d\n" % handle) for pfn in range(1, count + 1))


def asked_for(text: bytes, answers: list[StackOfPage | None], stacks: StackTable) -> list[int]:
    """Return the PFNs that are asked for the stack of `text`; the last of `answers` is given from then on."""
    asked: list[int] = []

    def stack_at(pfn: int) -> StackOfPage | None:
        asked.append(pfn)
        return answers[min(len(asked), len(answers)) - 1]

    rejects: list[Reject] = []
    kernel_text = KernelText("page_owner", Chunks([text]), stack_at=stack_at)
    rows = sum(batch.num_rows for batch in page_batches(kernel_text, stacks, rejects.append, columns=["ts_nsec"]))
    assert (rows, rejects) == (text.count(b"PFN"), [])
    return asked


def test_one_page_is_asked_for_a_handle() -> None:
    stacks = StackTable()
    assert asked_for(pages_with(7, 100), [StackOfPage(LINES, 7)], stacks) == [1]
    assert [(stack.frames, stack.handle) for stack in stacks] == [(("a+0x1/0x2",), 7)]
    assert stacks.handle_only == 0


def test_no_page_is_asked_for_a_listed_stack() -> None:
    stacks = StackTable()
    stacks.know_handle(7, LINES)
    assert asked_for(pages_with(7, 100), [None], stacks) == []


def test_the_next_page_is_asked_if_one_has_another_stack_now_or_none() -> None:
    stacks = StackTable()
    answers = [StackOfPage(b" b+0x1/0x2\n", 8), None, StackOfPage(LINES, 7)]
    assert asked_for(pages_with(7, 100), answers, stacks) == [1, 2, 3]
    assert [stack.frames for stack in stacks] == [("a+0x1/0x2",)]


def test_a_stack_that_no_page_shows_is_given_up() -> None:
    stacks = StackTable()
    assert asked_for(pages_with(7, 100), [None], stacks) == list(range(1, 17))
    assert stacks.handle_only == 1
