# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz text with counts, or of single pages: page_owner_sort, dumps of pages, page_owner_stacks and allocinfo.

    python tests/fuzz/fuzz_aggregates.py --seconds 60

Damaged text must give the same rows however it is cut into chunks, what precedes the damage must be read, and each
number must be within its limits. Some texts are also read as a user would read them: they are answered, or end with one
error and a hint. The kinds take turns.
"""

import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

import spo_trace as spo  # noqa: E402  # found by the line above
from spo_trace.errors import SpoTraceError  # noqa: E402
from spo_trace.formats.allocinfo import parse_allocinfo  # noqa: E402
from spo_trace.formats.page_dump import dump_batches  # noqa: E402
from spo_trace.formats.page_owner_sort import sorted_batches  # noqa: E402
from spo_trace.formats.page_owner_stacks import stack_records  # noqa: E402
from spo_trace.formats.record import Reject, RejectSink  # noqa: E402
from spo_trace.formats.stack_table import StackTable  # noqa: E402
from spo_trace.formats.text import Chunks, KernelText  # noqa: E402
from spo_trace.limits import MAX_AGGREGATE_COUNT, MAX_INT64, MAX_MEMORY_BYTES, MAX_ORDER  # noqa: E402
from tests.fuzz.cases import Try, run_cases  # noqa: E402
from tests.fuzz.fuzz_page_owner import mutate  # noqa: E402

FIELD = ROOT / "fixtures" / "field"

# One in so many texts is read by the commands, which takes longer than all else.
_READ_BY_COMMANDS = 25

_FRAMES = b" a+0x1/0x2\n b+0x1/0x2 [m]\n"

Row = dict[str, Any]
Rows = list[Row]


class Kind(NamedTuple):
    """A kind of text: how it is parsed, seeds, words to insert, and a text whose row precedes the damage."""

    parse: Callable[[Sequence[bytes], RejectSink], Rows]
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    first: bytes
    row: Row


def _sorted(chunks: Sequence[bytes], reject: RejectSink) -> Rows:
    return _with_frames(StackTable(), lambda stacks: sorted_batches(chunks, stacks, reject))


def _dumps(chunks: Sequence[bytes], reject: RejectSink) -> Rows:
    return _with_frames(StackTable(), lambda stacks: dump_batches(chunks, stacks, reject))


def _with_frames(stacks: StackTable, batches: Callable[[StackTable], Iterator[Any]]) -> Rows:
    rows = [row for batch in batches(stacks) for row in batch.to_pylist()]
    return [row | {"frames": stacks[row["stack_id"]].frames} for row in rows]


def _counts(chunks: Sequence[bytes], reject: RejectSink) -> Rows:
    return [record._asdict() for record in stack_records(KernelText("show_stacks", Chunks(chunks)), reject)]


# A file of /proc is read as a whole.
def _sites(chunks: Sequence[bytes], reject: RejectSink) -> Rows:
    return [row._asdict() for row in parse_allocinfo(b"".join(chunks), reject)]


def _field(*names: str) -> list[bytes]:
    found = [path.read_bytes() for name in names for path in sorted((FIELD / name).iterdir())]
    assert found
    return found


_RECORD = b"Page allocated via order 1, mask 0xcc0(GFP_KERNEL), pid 7, tgid 6 (dd), ts  ns\n"
_SITE_LINES = (
    b"     4096        1 mm/slub.c:3061 func:alloc_slab_page \n        0        0 net/a.c:9 [m] func:f accurate:no\n"
)

KINDS = {
    "page_owner_sort": Kind(
        _sorted,
        [
            *_field("01-sorted-times", "02-sorted-pages", "03-sorted-slab", "14-custom-agg", "44-sorted-cull"),
            b"7 times, 14 pages, PID 60, TGID 61, task_comm_name: a, b: c\n" * 2,
            b"3 times, 6 pages, allocated by CMA SLAB :\n" + _RECORD + _FRAMES + b"Charged to memcg a\n\n",
        ],
        (
            *(b" times, ", b" pages", b" pages:\n", b"9 times:\n", b", PID -1", b", TGID ", b", task_comm_name: "),
            *(b", allocated by ", b"SLAB ", b" (UNRELEASED)", b"times 1 order 2 mask 0x1\n", _RECORD, _FRAMES, b"\n\n"),
            *(b"9" * 19, b"-", b"\r\n", b"> ", b"\0", b"Charged (via objcg) to offline memcg x\n", b":"),
        ),
        b"3 times, 6 pages, allocated by OTHERS :\n" + _RECORD + _FRAMES + b"\n",
        {"allocations": 3, "base_pages": 6, "comm": "dd"},
    ),
    "page_dump": Kind(
        _dumps,
        _field("04-syzbot", "05-dmesg-swapin", "18-gdb-lx", "43-crash-owner"),
        (
            *(b"page_owner tracks the page as allocated\n", b"page_owner tracks the page as freed\n"),
            *(b"page last allocated via order ", b"page last free pid 7 tgid 6 stack trace:\n", b"[  612.113412] "),
            *(b"page:0 refcount:0 mapcount:0 pfn:0x1\n", b"PFN: 7, Flags: 0x1\n", b"PFN 7(0x7) paddr 7000 order 1\n"),
            *(b"page_owner free stack trace missing\n", b"[T1] ", b"<4>", b"9" * 20, b"\r\n", b"\0", _FRAMES, b"\n\n"),
        ),
        b"page:0000 refcount:0 mapcount:0 mapping:0 index:0x0 pfn:0x78dca\npage_owner tracks the page as allocated\n"
        b"page last allocated via order 3, migratetype Unmovable, gfp_mask 0xcc0(GFP_KERNEL), pid 7, tgid 7 (dd), "
        b"ts 5, free_ts 0\n a+0x1/0x2\n b+0x1/0x2\npage_owner free stack trace missing\n\n",
        # The state of the page can be that of another one, whose first lines are lost.
        {"pfn": 0x78DCA, "order": 3, "comm": "dd", "event": "allocated"},
    ),
    "page_owner_stacks": Kind(
        _counts,
        [
            *_field("19-show-stacks-only", "20-stack-count-curr"),
            b"handle: 7\nnr_base_pages: 5\n\nhandle: 9\nnr_base_pages: -3\n\n",
            _FRAMES + b"handle: 7\n\n",
        ],
        (
            *(b"nr_base_pages: ", b"stack_count: 1 curr_nr_base_pages: ", b"stack_count: ", b"handle: ", b"\n\n"),
            *(_FRAMES, b"-", b"9" * 18, b"\r\n", b"\0", b"> "),
        ),
        b" first+0x1/0x2\nnr_base_pages: 12\n\n",
        {"nr_base_pages": 12, "handle": None},
    ),
    "allocinfo": Kind(
        _sites,
        [_SITE_LINES * 3, b"# x\n" + _SITE_LINES],
        (b" func:", b":", b" [m] ", b" accurate:no", b"9" * 19, b"-", b"\n", b"\r\n", b"\0", b"#", b"  ", b"\x1b[1m"),
        b"allocinfo - version: 2.0\n#     <size>  <calls> <tag info>\n      12        1 a/b.c:1 func:first \n",
        {"file": "a/b.c", "line": 1, "function": "first", "bytes": 12},
    ),
}


def prepare(directory: Path) -> Try:
    """Return the function that runs a case."""
    names = list(KINDS)
    inputs = {name: [kind.first, *kind.seeds] for name, kind in KINDS.items()}

    def attempt(number: int) -> str | None:
        choose = random.Random(number)
        name = names[number % len(names)]
        kind = KINDS[name]
        text = kind.first + mutate(choose, inputs[name], kind.words)
        try:
            wrong = _parse(kind, text, choose)
            if wrong is None and choose.randrange(_READ_BY_COMMANDS) == 0:
                wrong = _read(directory / "text", text)
        except BaseException as error:  # noqa: BLE001  # a bug is a result
            wrong = f"{type(error).__name__}: {error}: {traceback.format_exc()[-900:]!r}"
        return f"{name}: {wrong}" if wrong else None

    return attempt


def _parse(kind: Kind, text: bytes, choose: random.Random) -> str | None:
    rejects: list[Reject] = []
    rows = kind.parse([text], rejects.append)
    step = choose.choice((1, 7, 64, 1000))
    cut: list[Reject] = []
    if kind.parse([text[at : at + step] for at in range(0, len(text), step)], cut.append) != rows:
        return f"other rows if it is cut into chunks of {step} bytes"
    if cut != rejects:
        return f"other rejects if it is cut into chunks of {step} bytes"
    if not any(kind.row.items() <= row.items() for row in rows):
        return f"the row before the damage is missing: {rows[:2]}"
    for reject in rejects:
        if not (0 <= reject.offset <= len(text) and text.count(b"\n", 0, reject.offset) == reject.line - 1):
            return f"a reject is not where it says: {reject}"
    return next((f"out of range: {row}" for row in rows if not _is_in_range(row)), None)


_LIMITS = {
    **dict.fromkeys(("allocations", "base_pages"), (0, MAX_AGGREGATE_COUNT)),
    **{"order": (0, MAX_ORDER), "pfn": (0, MAX_INT64), "bytes": (-MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)},
}


def _is_in_range(row: Row) -> bool:
    return all(low <= row[name] <= high for name, (low, high) in _LIMITS.items() if row.get(name) is not None)


# Without a key, each is shown by what it has.
def _read(path: Path, text: bytes) -> str | None:
    path.write_bytes(text)
    try:
        snap = spo.open(path)
        table = spo.attribute(snap)
        if (table["total_bytes"] < 0).any():
            return "a negative amount"
        snap.explain()
        snap._repr_html_()
        spo.export(snap, "html", path.with_suffix(".html"), force=True)
    except SpoTraceError as error:
        return None if error.hint else f"no hint: {error.message}"
    return None


if __name__ == "__main__":
    run_cases(prepare, __doc__)
