# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot lacks, as sentences: warnings, contradicted page sizes, malformed records, incomplete input."""

import re
from collections.abc import Iterator

from spo_trace.errors import Argument, Text
from spo_trace.formats.reasons import Reason
from spo_trace.limits import MAX_REJECTS
from spo_trace.reporters.format import counted
from spo_trace.snapshots.meta import FileCounts, MachineFacts, Meta, reason_text, skipped_text
from spo_trace.snapshots.page_size import PageSizeFrom, usual_page_sizes

__all__ = ["shortcomings"]


def shortcomings(meta: Meta) -> Iterator[Text]:
    """Yield a sentence for each thing that the snapshot with this metadata lacks."""
    # Up to schema version 2, the stored warnings include this one.
    if meta.machine.page_size_from is PageSizeFrom.ASSUMED and meta.schema_version > 2:
        yield (
            "the capture does not contain the page size: 4096 bytes assumed; give ",
            *(Argument("page_size"), " (getconf PAGESIZE prints it on the machine)"),
        )
    yield from _contradictions(meta.machine)
    yield from meta.warnings
    if cut_off := meta.source.cut_off:
        yield f"the capture is cut off, and files may be missing: {cut_off}"
    for name, counts in meta.files.items():
        for text in _of_file(name, counts):
            yield f"{name}: {text}"


_PAGE_SIZE_FROM: dict[PageSizeFrom, str | Argument] = {
    PageSizeFrom.OPTION: Argument("page_size"),
    PageSizeFrom.PAGESIZE: "getconf PAGESIZE",
    PageSizeFrom.GETCONF: "getconf -a",
    PageSizeFrom.ZONEINFO: "MemTotal / managed pages",
    PageSizeFrom.VMSTAT: "meminfo / vmstat",
    PageSizeFrom.RELEASE: "the kernel's release",
    PageSizeFrom.ASSUMED: "assumed",
}

# Evidence so weak that the order of a pageblock, which only suggests a page size, can contradict it.
_WEAK = (PageSizeFrom.ASSUMED, PageSizeFrom.OPTION, PageSizeFrom.RELEASE)


def _contradictions(machine: MachineFacts) -> Iterator[Text]:
    size, source, order = machine.page_size, machine.page_size_from, machine.pageblock_order
    for other, by in machine.page_size_evidence:
        if other != size:
            by_text = "the one in the snapshot" if by is PageSizeFrom.OPTION else _PAGE_SIZE_FROM[by]
            yield f"the page size {size} (", _PAGE_SIZE_FROM[source], ") is contradicted by ", by_text, f": {other}"
    if size == 4096 and source in _WEAK and order is not None and (usual := usual_page_sizes(order)):
        yield (
            f"a pageblock has 2**{order} pages (PFN / Block): this contradicts a page size of 4096, and is usual for "
            f"{' or '.join(map(str, usual))}; give ",
            *(Argument("page_size"), " (getconf PAGESIZE prints it on the machine)"),
        )


def _of_file(name: str, counts: FileCounts) -> Iterator[str]:
    lost, noted = counts.malformed, counts.notes
    first = f"(a snapshot keeps them in rejects.txt; first: {counts.first_reject})"
    if lost:
        records = counted(lost + counts.records, "record is", "records are")
        yield f"{lost:,} of {records} malformed and set aside {first}"
    if noted:
        lines = counted(noted, "line was", "lines were")
        kept = "its record is" if noted == 1 else "their records are"
        yield f"{lines} not understood and set aside; {kept} kept {first}"
    if counts.not_kept:
        rejects = counted(counts.not_kept, "reject is", "rejects are")
        yield f"{rejects} counted, but not in rejects.txt, which keeps the first {MAX_REJECTS:,}"
    if Reason.CUT_OFF in counts.reasons:
        yield "a record is cut off: is the text complete?"
    yield from _of_order(name, counts)
    if counts.problem:
        yield f"{counts.problem}; the text before it was read"
    for code, number in counts.skipped.items():
        yield f"at least {number:,} skipped: {skipped_text(code)}"
    if counts.retried:
        reads = counted(counts.retried, "read was", "reads were")
        yield f"{reads} repeated because the kernel was out of memory (ENOMEM)"
    if counts.note:
        yield counts.note
    for code, number in counts.marks.items():
        if code == Reason.GOES_BACK:
            continue
        text = reason_text(code)
        yield counted(number, _PLURAL.sub(r"\1", text, count=1), text)


# What a mark counts, in its text.
_PLURAL = re.compile(r"\b(line|record)s\b")

_KEYS = {"page_owner": "PFN", "swap_page_owner": "swap entry"}


# Records that were copied by hand can be in any order. That alone is no shortcoming.
def _of_order(name: str, counts: FileCounts) -> Iterator[str]:
    key = _KEYS.get(name, "stack")
    if counts.repeated:
        back = f"the {key} goes back at line {counts.back_at_line:,}, and " if counts.back_at_line else ""
        records = counted(counts.repeated, "record is", "records are")
        yield f"{back}{records} listed again later: the last record of each {key} is counted"
    if counts.overlapping:
        records = counted(counts.overlapping, "record is", "records are")
        yield f"{records} not counted: later ones have some of the same pages"
    if counts.unnumbered:
        records = counted(counts.unnumbered, "record has", "records have")
        they = "it is" if counts.unnumbered == 1 else "they are"
        yield f"{records} no {key}: whether {they} listed more than once is unknown"
