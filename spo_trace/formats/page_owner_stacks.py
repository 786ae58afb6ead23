# SPDX-License-Identifier: LGPL-2.1-or-later
"""/sys/kernel/debug/page_owner_stacks/: the kernel's count of base pages for each stack."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from spo_trace.formats.frame import is_frame
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject, RejectSink, split_at_empty_lines
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import chunks_in
from spo_trace.limits import COUNT_RANGE

__all__ = ["StackRecord", "stack_records"]

# 765973a09803, 6.9: show_stacks.
# 3b52b9e31a86, 6.19: show_handles.
# 5513cfbcf4da, 6.19: show_stacks_handles.
_NUMBER = re.compile(rb"(nr_base_pages|stack_count|handle): (-?\d{1,18})")
# A version of the series before 6.9 counted both.
_BOTH = re.compile(rb"stack_count: (-?\d{1,18}) curr_nr_base_pages: (-?\d{1,18})")


class StackRecord(NamedTuple):
    """Hold one record of show_stacks, show_handles or show_stacks_handles; None for fields that its file lacks.

    `stack`: the lines of the stack. `stack_count`: printed by 6.9-rc kernels; it counts allocations, not pages.
    """

    stack: bytes | None
    handle: int | None
    nr_base_pages: int | None
    stack_count: int | None

    @property
    def key(self) -> int | bytes | None:
        """Return what the kernel lists once in a file: a handle, or a stack."""
        return self.stack if self.handle is None else self.handle


def stack_records(text: KernelText, reject: RejectSink) -> Iterator[StackRecord]:
    """Yield the records of one of the three files (stack_print(), mm/page_owner.c, Linux 6.9+; handles 6.19+)."""
    for record in split_at_empty_lines(chunks_in(text)):
        if not record.text.strip():
            continue
        parsed = _parse(record.text)
        if isinstance(parsed, Reason):
            reject(Reject.whole(text.name, record, parsed))
        else:
            yield parsed


def _parse(text: bytes) -> StackRecord | Reason:
    frames = []
    numbers: dict[str, int] = {}
    for line in text.splitlines():
        if match := _NUMBER.fullmatch(line):
            numbers[match[1].decode()] = int(match[2])
        elif match := _BOTH.fullmatch(line):
            numbers |= {"stack_count": int(match[1]), "nr_base_pages": int(match[2])}
        elif is_frame(line):
            frames.append(line)
        elif line:
            return Reason.LINE
    if not numbers or not text.endswith((b"\n\n", b"\n\r\n")):
        return Reason.NO_NUMBER
    if not 0 <= numbers.get("handle", 0) < 1 << 32:
        return Reason.HANDLE_RANGE
    if not COUNT_RANGE[0] <= numbers.get("nr_base_pages", 0) <= COUNT_RANGE[1]:
        return Reason.COUNT_RANGE
    stack = b"".join(line + b"\n" for line in frames) or None
    return StackRecord(stack, numbers.get("handle"), numbers.get("nr_base_pages"), numbers.get("stack_count"))
