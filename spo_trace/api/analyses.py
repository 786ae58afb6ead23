# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API for one snapshot or two. The command line is a thin layer over it.

Each argument for a snapshot accepts an object, its path, or the path of a capture. A capture is converted at each call:
open it once to ask several questions.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from spo_trace.analysis.arguments import amount_of, names_of
from spo_trace.api.destinations import Destination, destination
from spo_trace.api.snapshot import SnapshotLike, access_given, given_name, opened
from spo_trace.errors import Argument, UsageError
from spo_trace.reporters.export_formats import BINARY_FORMATS, check_export

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.analysis.diff import Relation
    from spo_trace.analysis.diff_summary import Changes
    from spo_trace.reporters.notebook import Table

__all__ = [
    "ages",
    "attribute",
    "balance",
    "changes",
    "diff",
    "export",
    "export_diff",
    "relate",
    "verdicts",
]


def attribute(snap: SnapshotLike, by: str | Iterable[str] | None = None, *, where: str | None = None) -> "Table":
    """Attribute a snapshot's memory and swap to each combination of the keys `by`, largest total first.

    The default of `by` is comm; for an aggregate without it, the first of event, caller, stack, … that it has; for
    /proc/allocinfo alone, site.
    Columns: the keys and key_known, then mem_pages (base pages: the sum of 2**order), swap_pages (swap entries),
    swap_cache_pages (pages in memory that also hold a swap entry), the same three in bytes, total_bytes (memory + swap
    − swap cache) and share (of the total, 0 to 1). A key that is missing (NA) is unknown if key_known is false: the
    kernel does not print it for a page or for a swap entry. Otherwise, it is known that there is none. Amounts of swap
    (or memory) are missing if the owners of swap (or memory) or the keys of swap are unknown. An empty `by` gives one
    row of totals, without key_known. By `site` alone, it is what /proc/allocinfo counts: mem_bytes without pages, and
    a column `calls`. If swap is unknown, and the machine tells how much processes, memory cgroups or tmpfs have at
    least, a column swap_least_bytes follows swap_bytes; it is part of no total. `where` counts only records that match
    it: an expression over columns, as in DataFrame.query. Raise UsageError for a wrong key or condition.

    >>> spo.attribute("now.spo", by=["comm"], where="category == 'anon'").head(1)[["comm", "mem_pages", "swap_pages"]]
       comm  mem_pages  swap_pages
    0  huge        512         512
    """
    from spo_trace.analysis.aggregate_keys import check_answered, with_usual_key
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.swap_least import attribute_with_least as analysis
    from spo_trace.reporters.notebook import Table

    of = opened(snap)
    question = with_usual_key(Question.of(by, where), of)
    check_answered(of, question)
    return Table(analysis(of, question))


def ages(snap: SnapshotLike, by: str | Iterable[str] = "comm", *, where: str | None = None) -> "Table":
    """Attribute memory and swap to the keys `by` and to age classes: largest total of the keys first, then by age.

    Columns: the keys and key_known, age_from and age_to (seconds; age_to is NA for the last class, both are NA if the
    kernel printed no ts), then the amounts of `attribute` except share. An age is the time from ts_nsec to the start of
    the snapshot (/proc/uptime, else the newest allocation); later allocations have age 0. For memory that was swapped
    in without its owner, the age counts from the swap-in.

    >>> spo.ages("now.spo").head(1)[["comm", "age_from", "age_to", "mem_bytes"]]
         comm  age_from  age_to  mem_bytes
    0  noswap         0       1   12607488
    """
    from spo_trace.analysis.ages import ages as analysis
    from spo_trace.analysis.aggregate_keys import check_answered
    from spo_trace.analysis.question import Question
    from spo_trace.reporters.notebook import Table

    question, of = Question.of(by, where), opened(snap)
    check_answered(of, question, "ts_nsec")
    return Table(analysis(of, question))


def balance(snap: SnapshotLike) -> "Table":
    """Compare the listed pages with those in use; columns section, kind, item, pages, bytes, share, note.

    Sections: `memory` (MemTotal − MemFree), `swap` for each swap device (Used of /proc/swaps), `page_owner_stacks`
    (nr_base_pages), `allocinfo, slab` (pages of slab). A section is left out if the snapshot lacks the pages in use or
    the listed pages. The exception is swap whose owners are unknown. Kinds: `machine`, `listed`, `difference` (machine
    − listed), its parts `explains` (known) and `bound` (at most this much, as pages changed during the read), `rest`
    (unexplained), and `aside` (not part of the sum). `share` is the unexplained part of the pages in use. `verdicts`
    gives a verdict on each section.

    >>> list(spo.balance("now.spo")["section"].unique())
    ['memory', 'swap type 0: /dev/vda', 'swap type 1: /dev/zram0', 'page_owner_stacks']
    """
    from spo_trace.analysis.balance import balance as analysis
    from spo_trace.reporters.notebook import Table

    return Table(analysis(opened(snap)))


def verdicts(snap: SnapshotLike, *, parts: Iterable[str] = (), tolerance: float = 2.0) -> "Table":
    """Return a verdict on each section of a snapshot's balance, as the command `verify` does.

    Columns: part (memory, swap, stacks, sites), section, verdict (balanced, off, not checked), reason (a code), pages
    and share (the unexplained part; missing if nothing was compared), text. A section is balanced if at most
    `tolerance` percent, 1 MiB or 256 pages are unexplained. It is not checked if its input is missing or
    incomplete, or if so much may have changed during the read that missing pages could not be noticed. `parts`: the
    parts to judge, by default all; sites only if the kernel counts them. Raise UsageError for a part that does not
    exist.

    >>> list(spo.verdicts("now.spo", parts=["memory"])["verdict"])
    ['balanced']
    """
    from spo_trace.analysis.verdicts import verdicts as analysis
    from spo_trace.reporters.notebook import Table

    most = amount_of(tolerance, "tolerance", "percent")
    return Table(analysis(opened(snap), parts=names_of(parts, "parts"), tolerance=most))


def diff(
    a: SnapshotLike,
    b: SnapshotLike,
    by: str | Iterable[str] | None = None,
    *,
    where: str | None = None,
    sort: str = "change",
    match: str = "auto",
) -> "Table":
    """Compare the attribution of `b` with that of `a`, largest change first; the default of `by` is as for `attribute`.

    Columns: the keys and key_known (see `attribute`), then mem_bytes, swap_bytes, swap_cache_bytes and total_bytes
    (memory + swap − swap cache) each as `_a`, `_b` and `_delta`, then `rate` (of the total, bytes per second) if both
    are from one boot. An owner that one of them lacks counts as 0 there. Unless the owners of swap are known in both,
    swap is missing (NA) and left out of the total. `relate` returns how the two can be compared. Raise SpoTraceError if
    only memory is known in one, and only swap in the other.

    `sort`: change (max(|memory change|, |swap change|), so that a move from memory to swap ranks by its size), growth
    (largest growth of the total first), shrink, mem, swap, total (by the absolute change), rate or a key.

    `match`: how stacks are matched if `stack` is a key. exact: frame by frame (column `stack`). symbols: by all
    function names (column `symbols`). common: by the innermost three functions that both kernels have, without those of
    allocators (column `common`). auto: exact for one kernel build or boot, symbols for one release, else common.

    >>> spo.diff("before.spo", "now.spo")[["comm", "total_bytes_delta"]].head(1)
         comm  total_bytes_delta
    0  noswap           12607488
    """
    from spo_trace.analysis.aggregate_keys import check_answered, with_usual_key
    from spo_trace.analysis.diff import diff as analysis
    from spo_trace.analysis.diff_order import DIFF_ORDERS
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.stack_match import match_of
    from spo_trace.reporters.notebook import Table

    question = Question.of(by, where, sort=sort, orders=DIFF_ORDERS)
    matched_by = match_of(match, question.keys)
    sides = opened(a, "a"), opened(b, "b")
    question = with_usual_key(question, *sides)
    for side in sides:
        check_answered(side, question)
    return Table(analysis(*sides, question, matched_by))


def changes(difference: "pd.DataFrame") -> "Changes":
    """Return how many bytes of a difference (of `diff`) grew, shrank, and moved between memory and swap.

    If memory and swap of a row changed in opposite directions, the smaller change counts as moved, and the rest as
    growth or shrinkage, so that grown − shrunk is the change of the total. `moved` is None if memory or swap is
    left out.

    >>> spo.changes(spo.diff("before.spo", "now.spo"))
    Changes(grown=15831040, shrunk=2097152, moved=4620288)
    """
    from spo_trace.analysis.diff_summary import changes as analysis

    if "total_bytes_delta" not in getattr(difference, "columns", ()):
        raise UsageError(
            (Argument("difference"), " must be a result of diff"), hint="for example: spo.changes(spo.diff(a, b))"
        )
    return analysis(difference)


def relate(a: SnapshotLike, b: SnapshotLike) -> "Relation":
    """Return how two snapshots relate.

    `same_kernel`: whether both are from one kernel build (None if unknown). `seconds`: from the first to the second,
    None unless both are from one boot. `known`: those of `mem` and `swap` whose owners both snapshots have.
    `same_release`: whether both are from one kernel release and architecture (None if unknown).

    >>> spo.relate("before.spo", "now.spo").same_kernel
    True
    """
    from spo_trace.analysis.diff import relate as analysis

    return analysis(opened(a, "a"), opened(b, "b"))


def export(
    snap: SnapshotLike,
    format: str,
    outfile: Destination,
    *,
    where: str | None = None,
    weight: str = "total",
    csv_safe: bool = False,
    force: bool = False,
    owner: str | None = None,
    mode: int | None = None,
) -> None:
    """Write a snapshot to `outfile` in the format of another tool.

    `format`: folded, speedscope, pprof or html; csv, json or parquet: the records in one flat table, with their size in
    `bytes`. `where`: only records that match it, by default all; by a place (docs/keys.md), those that have a part in
    it, whole. In the flat table, swp_entry and page_flags are hexadecimal text, exact in any tool;
    in_table and alloc_order repeat where and order, which SQL reserves (docs/flat-table.md). `outfile`: a path (the
    file is private, appears when it is complete, and replaces an existing one only with `force`; `owner` and `mode` as
    for `snapshot`; a device or FIFO is written to), or a file open for writing: in text or binary mode for text formats
    (UTF-8), in binary mode for pprof and parquet. `weight` (total, mem or swap): the bytes of folded stacks.
    `csv_safe`: in csv, put an apostrophe in front of texts that a spreadsheet would run as a formula, and quote all
    texts. Raise UsageError for wrong arguments, SpoTraceError for a weight that is unknown in the snapshot.

    >>> spo.export("now.spo", "html", "now.html")
    >>> with gzip.open("now.csv.gz", "wb") as file:
    ...     spo.export("now.spo", "csv", file)
    """
    from spo_trace.analysis.question import Question
    from spo_trace.exporting import export as write
    from spo_trace.exporting import html_columns
    from spo_trace.findings.explain import explain
    from spo_trace.snapshots.in_memory import in_memory

    check_export(format, weight=weight, csv_safe=csv_safe)
    question = Question.of([], where)
    access = access_given(owner, mode)
    found, explained = opened(snap), None
    if format == "html" and where is None:
        name = given_name(snap, found)
        found = in_memory(found, html_columns(question, explained=True))
        explained = explain(found, name)
    with destination(outfile, binary=format in BINARY_FORMATS, access=access, force=force) as file:
        write(found, format, file, question, weight=weight, csv_safe=csv_safe, found=explained)


def export_diff(
    a: SnapshotLike,
    b: SnapshotLike,
    outfile: Destination,
    *,
    where: str | None = None,
    match: str = "auto",
    force: bool = False,
    owner: str | None = None,
    mode: int | None = None,
) -> None:
    """Write the difference of two snapshots as an HTML report.

    `match`: how stacks are matched, as for `diff`; `outfile` and the other arguments as for `export`.

    >>> spo.export_diff("before.spo", "now.spo", "growth.html")
    """
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.stack_match import match_of
    from spo_trace.exporting import export_diff as write
    from spo_trace.reporters.html.rows import STACK_KEYS

    question = Question.of([], where)
    matched_by = match_of(match, STACK_KEYS)
    access = access_given(owner, mode)
    found = opened(a, "a"), opened(b, "b")
    names = given_name(a, found[0]), given_name(b, found[1])
    with destination(outfile, binary=False, access=access, force=force) as file:
        write(*found, file, question, names=names, match=matched_by)
