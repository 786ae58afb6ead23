# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verdicts: whether each part of the balance is balanced, off, or could not be checked, and why."""

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd

from spo_trace.analysis import balance_sites as sites
from spo_trace.analysis.balance import balance
from spo_trace.analysis.balance_parts import used_pages
from spo_trace.errors import UsageError
from spo_trace.formats.missing import Missing
from spo_trace.reporters.format import counted, format_share, format_size
from spo_trace.snapshots.meta import FileCounts, Origin
from spo_trace.snapshots.reader import Snapshot

__all__ = ["TOLERANCE", "Part", "Reason", "Verdict", "always_tolerated", "check_parts", "verdicts", "verified"]

# Unexplained percentage of the pages in use that is tolerated.
TOLERANCE = 2.0

# Unexplained bytes and pages that are always tolerated, whichever is more. The reader's own pages change during the
# read, and on a small machine they are several percent of all pages. Larger pages do not mean much fewer of them.
_FLOOR_BYTES = 1 << 20
_FLOOR_PAGES = 256


class Part(StrEnum):
    """Parts of the balance; swap has a section for each device."""

    MEMORY = "memory"
    SWAP = "swap"
    STACKS = "stacks"
    SITES = "sites"


class Verdict(StrEnum):
    """Results of the check of one section."""

    BALANCED = "balanced"
    OFF = "off"
    NOT_CHECKED = "not checked"


class Reason(StrEnum):
    """The rule that decided a verdict, or the cause of "not checked"."""

    WITHIN_TOLERANCE = "within-tolerance"
    BELOW_FLOOR = "below-floor"
    NOTHING_USED = "nothing-used"
    OVER_TOLERANCE = "over-tolerance"
    CHANGED = "changed-during-read"
    CUT_OFF = "cut-off"
    MALFORMED = "malformed-records"
    SKIPPED = "skipped-records"
    NO_PAGE_OWNER = "no-page-owner"
    NO_MEMINFO = "no-meminfo"
    NO_SWAP_USAGE = "no-swap-usage"
    SWAP_OWNERS_UNKNOWN = "swap-owners-unknown"
    NO_STACK_COUNTS = "no-stack-counts"
    STACKS_BLOCKED = "stacks-blocked"
    NO_SITES = "no-sites"


class _Decision(NamedTuple):
    verdict: Verdict
    reason: Reason
    text: str


_SECTIONS = {"memory": Part.MEMORY, "page_owner_stacks": Part.STACKS, sites.SECTION: Part.SITES}
# Section names for parts without lines in the balance.
_SECTION_OF = {Part.MEMORY: "memory", Part.SWAP: "swap", Part.STACKS: "page_owner_stacks", Part.SITES: sites.SECTION}

_STACK_FILES = ("show_stacks", "show_handles", "show_stacks_handles")
_SWAP_FILES = {
    Origin.DEBUGFS: ("swap_page_owner",),
    Origin.MEMORY: ("swap_page_owner",),
    Origin.BPF: ("bpf",),
}


def check_parts(names: Collection[str]) -> list[Part]:
    """Return the parts with these names, by default all; raise UsageError for a part that does not exist."""
    for name in names:
        if name not in set(Part):
            raise UsageError(f"there is no part {name!r}", hint=f"choose from {', '.join(Part)}")
    return [part for part in Part if part in names or not names]


def always_tolerated(page_size: int) -> int:
    """Return the unexplained bytes that are tolerated whatever their share is, for pages of `page_size` bytes."""
    return max(_FLOOR_BYTES, _FLOOR_PAGES * page_size)


def verdicts(
    snap: Snapshot,
    table: pd.DataFrame | None = None,
    *,
    parts: Collection[str] = (),
    tolerance: float = TOLERANCE,
) -> pd.DataFrame:
    """Judge each section of a snapshot's balance (`table`: from `balance`, if computed already).

    Columns: part (memory, swap, stacks, sites), section, verdict (balanced, off, not checked), reason (of Reason),
    pages and share (unexplained; missing if the section was not checked), text. A section is balanced if at most
    `tolerance` percent or 1 MiB (256 pages, if that is more) is unexplained. It is not checked if its input is missing
    or incomplete, or if more than that may have changed during the read. `parts`: the parts to judge, by default all;
    sites only if the kernel counts them. Raise UsageError for a part that does not exist.
    """
    table = balance(snap) if table is None else table
    # Few kernels count sites: without a question, nothing is missing.
    asked = [part for part in check_parts(parts) if parts or part is not Part.SITES or snap.meta.counts_sites]
    rows = [row for part in asked for row in _judged(snap, part, table, tolerance)]
    found = pd.DataFrame(rows, columns=["part", "section", "verdict", "reason", "pages", "share", "text"])
    return found.astype({"pages": "Int64", "share": "Float64"})


def verified(snap: Snapshot, *, parts: Collection[str] = (), tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Return the balance with the verdict on each section as the section's last row (kind and item `verdict`).

    Columns: those of the balance, then part, verdict and reason, which other rows lack. The verdict's text is in note.
    """
    table = balance(snap)
    blocks = []
    for row in verdicts(snap, table, parts=parts, tolerance=tolerance).to_dict("records"):
        judged = {name: row[name] for name in ("section", "pages", "share", "part", "verdict", "reason")}
        size = pd.NA if pd.isna(row["pages"]) else row["pages"] * snap.page_size
        last = {"kind": "verdict", "item": "verdict", "bytes": size, "note": row["text"]}
        blocks += [*table[table["section"] == row["section"]].to_dict("records"), {**judged, **last}]
    whole = pd.DataFrame(blocks, columns=[*table.columns, "part", "verdict", "reason"])
    return whole.astype({"pages": "Int64", "bytes": "Int64", "share": "Float64"})


def _judged(snap: Snapshot, part: Part, table: pd.DataFrame, tolerance: float) -> Iterator[tuple[Any, ...]]:
    sections = [name for name in table["section"].unique() if _SECTIONS.get(name, Part.SWAP) is part]
    for section in sections:
        rows = table[table["section"] == section].set_index("kind")
        rest = rows.loc["rest"]
        decision = _section_lack(snap, part, rows) or _compared(_Limit(tolerance, snap.page_size), rows)
        checked = decision.verdict is not Verdict.NOT_CHECKED
        amounts = (int(rest["pages"]), float(rest["share"])) if checked else (pd.NA, pd.NA)
        yield part.value, section, decision.verdict.value, decision.reason.value, *amounts, decision.text
    if not sections:
        decision = _unlisted(snap, part)
        unknown = (pd.NA, pd.NA)
        yield part.value, _SECTION_OF[part], decision.verdict.value, decision.reason.value, *unknown, decision.text


class _Limit(NamedTuple):
    tolerance: float
    page_size: int

    @property
    def floor(self) -> int:
        return always_tolerated(self.page_size)

    @property
    def text(self) -> str:
        return f"{self.tolerance:g}% and more than {format_size(self.floor)}"

    def tolerates(self, share: float) -> bool:
        return abs(share) * 100 <= self.tolerance


# What only an upper bound explains can hide missing pages, so it must not be more than is tolerated.
def _compared(limit: _Limit, rows: pd.DataFrame) -> _Decision:
    used, rest = max(int(rows["pages"]["machine"]), 1), int(rows["pages"]["rest"])
    bound = int(rows.loc[rows.index == "bound", "pages"].sum())
    share, size = rest / used, rest * limit.page_size
    sentence = f"{format_share(share)} unexplained"
    if not limit.tolerates(share) and abs(size) > limit.floor:
        over = f"{sentence} ({format_size(size)}), more than {limit.text}"
        return _Decision(Verdict.OFF, Reason.OVER_TOLERANCE, over)
    hidden = rest + bound
    if not limit.tolerates(hidden / used) and abs(hidden) * limit.page_size > limit.floor:
        text = f"{format_share(abs(hidden) / used)} may have changed during the read, more than {limit.text}"
        return _not_checked(Reason.CHANGED, text)
    if limit.tolerates(share):
        return _Decision(Verdict.BALANCED, Reason.WITHIN_TOLERANCE, f"{sentence}, within {limit.tolerance:g}%")
    floor = f"{sentence}, which is {format_size(size)}: up to {format_size(limit.floor)} is always tolerated"
    return _Decision(Verdict.BALANCED, Reason.BELOW_FLOOR, floor)


def _not_checked(reason: Reason, text: str) -> _Decision:
    return _Decision(Verdict.NOT_CHECKED, reason, text)


def _section_lack(snap: Snapshot, part: Part, rows: pd.DataFrame) -> _Decision | None:
    used, listed = (int(rows["pages"][kind]) for kind in ("machine", "listed"))
    if part is Part.SWAP and not used and not listed:
        return _Decision(Verdict.BALANCED, Reason.NOTHING_USED, "nothing is in use")
    return _input_lack(snap, part) or (_swap_lack(snap, used, listed) if part is Part.SWAP else None)


# If no owner is known, there is nothing to check, even if all pages are explained.
def _swap_lack(snap: Snapshot, used: int, listed: int) -> _Decision | None:
    swap_owner = snap.meta.swap_owner
    if swap_owner.why:
        return _not_checked(Reason.SWAP_OWNERS_UNKNOWN, f"the owners of swap are unknown ({swap_owner.why.text})")
    if swap_owner.origin is Origin.BPF and used and not listed:
        text = "no owner is known: the pages were swapped out before the probes were attached, or their owners are lost"
        return _not_checked(Reason.SWAP_OWNERS_UNKNOWN, text)
    return None


def _unlisted(snap: Snapshot, part: Part) -> _Decision:
    if part is Part.SWAP and used_pages(snap, snap.meta.machine.meminfo, "SwapTotal", "SwapFree") == 0:
        return _Decision(Verdict.BALANCED, Reason.NOTHING_USED, "no swap is in use")
    if lack := _input_lack(snap, part):
        return lack
    if part is not Part.SWAP and snap.meta.page_owner is None:
        return _not_checked(Reason.NO_PAGE_OWNER, "there is no page_owner")
    match part:
        case Part.MEMORY:
            return _not_checked(Reason.NO_MEMINFO, "there is no usable /proc/meminfo to compare with")
        case Part.SWAP:
            return _not_checked(Reason.NO_SWAP_USAGE, "there is no usable /proc/swaps or /proc/meminfo to compare with")
        case Part.SITES:
            text = "there are no counts of slab in /proc/allocinfo (Linux 6.10 and later, CONFIG_MEM_ALLOC_PROFILING)"
            return _not_checked(Reason.NO_SITES, text)
        case _:
            return _no_stack_counts(snap)


def _no_stack_counts(snap: Snapshot) -> _Decision:
    why = snap.meta.missing.get("show_stacks")
    if why and why.code is Missing.BLOCKED:
        text = f"page_owner_stacks could not be read completely: {why.text}"
        return _not_checked(Reason.STACKS_BLOCKED, text)
    text = "there are no counts in page_owner_stacks (Linux 6.9 and later)"
    return _not_checked(Reason.NO_STACK_COUNTS, text)


# Why a part's input is known to be incomplete.
def _input_lack(snap: Snapshot, part: Part) -> _Decision | None:
    if cut_off := snap.meta.source.cut_off:
        return _not_checked(Reason.CUT_OFF, f"the capture is cut off: {cut_off}")
    swap_owner = snap.meta.swap_owner
    swap_files = _SWAP_FILES[swap_owner.origin] if swap_owner.origin else ()
    feeding = {
        Part.MEMORY: ("page_owner",),
        Part.SWAP: swap_files,
        Part.STACKS: ("page_owner", *(swap_files if swap_owner.kept_by_kernel else ()), *_STACK_FILES),
        Part.SITES: ("page_owner", "allocinfo"),
    }
    for name in feeding[part]:
        if name in snap.meta.files and (lack := _file_lack(name, snap.meta.files[name])):
            return lack
    return None


def _file_lack(name: str, counts: FileCounts) -> _Decision | None:
    if counts.problem:
        return _not_checked(Reason.CUT_OFF, f"the capture is cut off: {name}: {counts.problem}")
    if lost := counts.malformed:
        records = counted(lost + counts.records, f"record of {name} is", f"records of {name} are")
        return _not_checked(Reason.MALFORMED, f"{lost:,} of {records} malformed or cut off")
    if skipped := sum(counts.skipped.values()):
        records = counted(skipped, f"record of {name} was", f"records of {name} were")
        return _not_checked(Reason.SKIPPED, f"at least {records} skipped")
    return None
