# SPDX-License-Identifier: LGPL-2.1-or-later
"""The three files of page_owner_stacks/, and that of 6.9-rc."""

import pytest
from hypothesis import given, settings

from spo_trace.formats.page_owner_stacks import StackRecord, stack_records
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, KernelText
from tests.unit.formats.drawing import cut_anywhere
from tests.unit.formats.reading import HEADER, read_pages

A = b" post_alloc_hook+0x15/0x20\n ip_rcv+0x1/0x2 [ip]\n"
B = b" register_early_stack+0x28/0x43\n"
SHOW_STACKS = A + b"nr_base_pages: 19\n\n" + B + b"nr_base_pages: 1\n\n"
SHOW_HANDLES = b"handle: 7\nnr_base_pages: 19\n\nhandle: 4294967295\nnr_base_pages: 1\n\n"
SHOW_STACKS_HANDLES = A + b"handle: 7\n\n" + B + b"handle: 8\n\n"


def read(*chunks: bytes, name: str = "show_stacks") -> tuple[list[StackRecord], list[Reject]]:
    rejects: list[Reject] = []
    return list(stack_records(KernelText(name, Chunks(chunks)), rejects.append)), rejects


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (SHOW_STACKS, [StackRecord(A, None, 19, None), StackRecord(B, None, 1, None)]),
        (SHOW_HANDLES, [StackRecord(None, 7, 19, None), StackRecord(None, 4294967295, 1, None)]),
        (SHOW_STACKS_HANDLES, [StackRecord(A, 7, None, None), StackRecord(B, 8, None, None)]),
        (A + b"stack_count: 3\n\n", [StackRecord(A, None, None, 3)]),
        (A + b"nr_base_pages: -1\n\n", [StackRecord(A, None, -1, None)]),
        (A + b"nr_base_pages: 2147483647\n\n", [StackRecord(A, None, 2147483647, None)]),
        (SHOW_HANDLES.replace(b"\n", b"\r\n"), [StackRecord(None, 7, 19, None), StackRecord(None, 2**32 - 1, 1, None)]),
        (b"\n\n" + A + b"handle: 0\n\n\n\n", [StackRecord(A, 0, None, None)]),
        (A.replace(b" post", b"post") + b"handle: 1\n\n", [StackRecord(A.replace(b" post", b"post"), 1, None, None)]),
        (b"", []),
        (b"\n", []),
    ],
)
def test_each_file(text: bytes, records: list[StackRecord]) -> None:
    assert read(text) == (records, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (A + b"nr_base_pages: 9999999999999999999\n\n", Reason.LINE),
        (A + b"nr_base_pages: " + b"9" * 5000 + b"\n\n", Reason.LINE),
        (A + b"nr_base_pages: x\n\n", Reason.LINE),
        (A + b"handle: 4294967296\n\n", Reason.HANDLE_RANGE),
        (A + b"handle: -1\n\n", Reason.HANDLE_RANGE),
        (A + b"nr_base_pages: 2147483648\n\n", Reason.COUNT_RANGE),
        (A + b"nr_base_pages: -2147483649\n\n", Reason.COUNT_RANGE),
        (A + b"colour: 1\nhandle: 1\n\n", Reason.LINE),
        (b"\0\xff\x1b\n\n", Reason.LINE),
        (A + b"\n", Reason.NO_NUMBER),
    ],
)
def test_only_the_bad_record_is_rejected(bad: bytes, reason: Reason) -> None:
    # GIVEN a bad record between two others
    good = A + b"handle: 7\n\n"
    records, rejects = read(good + bad + good, name="show_stacks_handles")
    # THEN it is rejected, and the others are read
    assert records == [StackRecord(A, 7, None, None)] * 2
    assert rejects == [Reject("show_stacks_handles", len(good), 5, reason, bad, True)]


@pytest.mark.parametrize("text", [SHOW_STACKS, SHOW_HANDLES, SHOW_STACKS_HANDLES])
def test_every_prefix(text: bytes) -> None:
    whole, _ = read(text)
    first = text.index(b"\n\n") + 2
    for cut in range(len(text)):
        records, rejects = read(text[:cut])
        assert records == whole[: int(cut >= first)], cut
        rest = text[first if cut >= first else 0 : cut]
        assert [reject.text for reject in rejects] == ([rest] if rest.strip() else []), cut


@given(cut_anywhere(SHOW_STACKS + SHOW_HANDLES + b"junk\n\n" + A))
@settings(deadline=None, max_examples=40)
def test_chunks_make_no_difference(chunks: list[bytes]) -> None:
    assert read(*chunks) == read(SHOW_STACKS + SHOW_HANDLES + b"junk\n\n" + A)


def test_handles_in_page_owner_get_their_stacks() -> None:
    # GIVEN the stacks of show_stacks_handles
    stacks = StackTable()
    for record in read(SHOW_STACKS_HANDLES)[0]:
        assert record.handle is not None and record.stack is not None
        stacks.know_handle(record.handle, record.stack)
    # WHEN page_owner prints handles instead of stacks
    parsed = read_pages(HEADER + b"handle: 8\n\n" + HEADER + b"handle: 7\n\n", stacks=stacks)
    # THEN the rows have the frames
    assert [row["frames"] for row in parsed.rows] == [
        ("register_early_stack+0x28/0x43",),
        ("post_alloc_hook+0x15/0x20", "ip_rcv+0x1/0x2 [ip]"),
    ]
    assert [stack.handle for stack in stacks] == [8, 7]
