# SPDX-License-Identifier: LGPL-2.1-or-later
"""stacks.awk over records with known answers."""

import pytest

from tests.oracle.stacks import pages_by_stack, stack_pages
from tests.unit.oracle.test_framed import HOSTILE, entry, page

TWO = b" a+0x1/0x2\n b+0x3/0x4 [nf_tables]\n"


def test_frames_are_joined_and_pages_summed() -> None:
    text = page(b"dd", 1) + page(b"cat", 2) + page(b"dd").replace(b" a+0x1/0x2\n", TWO)
    assert stack_pages(text) == {"a+0x1/0x2": 6, "a+0x1/0x2;b+0x3/0x4 [nf_tables]": 1}


def test_lines_after_the_frames_are_not_part_of_the_stack() -> None:
    last = b"Page has been migrated, last migrate reason: compaction\nCharged to memcg /\n"
    assert stack_pages(page(b"dd", last=last) + page(b"dd")) == {"a+0x1/0x2": 2}


@pytest.mark.parametrize("comm", HOSTILE)
def test_comms_cannot_add_frames(comm: bytes) -> None:
    assert pages_by_stack(page(comm, 4), entry(comm)) == {"a+0x1/0x2": (16, 1)}


def test_a_record_without_frames_has_the_empty_stack() -> None:
    assert stack_pages(page(b"dd").replace(b" a+0x1/0x2\n", b"") + page(b"dd")) == {"": 1, "a+0x1/0x2": 1}


def test_empty_input_has_an_empty_result() -> None:
    assert pages_by_stack(b"", b"") == {}
