# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapshot.json: what is written is read back; older versions are read; damage is reported with its key."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.proc import FreeBlocks, SwapArea, Zone
from spo_trace.schema import SCHEMA_VERSION
from spo_trace.snapshots.meta import (
    CollectionCost,
    FileCounts,
    MachineFacts,
    Meta,
    Origin,
    SourceFacts,
    SwapOwner,
    TraceFacts,
)
from spo_trace.snapshots.meta_json import meta_bytes, read_meta
from spo_trace.snapshots.method import Method
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom

MACHINE = MachineFacts(
    page_size=4096,
    page_size_from=PageSizeFrom.OPTION,
    page_size_evidence=[Evidence(65536, PageSizeFrom.PAGESIZE)],
    pageblock_order=9,
    host="box",
    kernel_release="7.2.13",
    kernel_version="#1 SMP Mon",
    arch="x86_64",
    boot_id="1-2",
    cmdline="page_owner=on",
    taken_at="2026-01-02T03:04:05Z",
    uptime_start=100.5,
    uptime_end=103.0,
    meminfo={"MemTotal": 4096},
    meminfo_after={"MemTotal": 8192},
    zoneinfo=[Zone(node=0, name="DMA", free=1, managed=2, present=3, spanned=4, start_pfn=5, pcp=6)],
    swaps=[SwapArea(filename="/dev/vda", kind="partition", size=4096, used=0, priority=-2)],
    vmstat={"nr_mlock": -1},
    buddyinfo=[FreeBlocks(node=0, name="DMA", blocks=[1, 0, 3])],
    processes={1: 5, 4194303: 123456},
    processors=2,
)
COUNTS = FileCounts(
    records=3,
    malformed=1,
    reasons=Counter(cut_off=1),
    marks=Counter(tabs=2),
    first_reject="line 1",
    skipped={"too_large": 2},
    retried=4,
    problem="it ends early",
    note="read from x",
    began=0.5,
    seconds=1.5,
    oldest_ts_nsec=1,
    newest_ts_nsec=(1 << 64) - 1,
)
META = Meta(
    SCHEMA_VERSION,
    MACHINE,
    tool_version="1",
    written_at="2026-01-02T03:04:06+00:00",
    source=SourceFacts("capture", {"from": "c"}, "the end of the archive is missing"),
    swap_owner=SwapOwner(why=Why(Missing.NO_FILE, "no file"), kept_by_kernel=True),
    files={"page_owner": COUNTS, "empty": FileCounts()},
    missing={"show_stacks": Why(Missing.BLOCKED, "stuck")},
    method=Method.MEMORY,
    compared=48,
    method_why="it was not compared",
    cost=CollectionCost(1.0, 2.0, 0.5, 1 << 20, None),
    warnings=["w"],
    page_columns=["pfn"],
)
TRACE = TraceFacts("now", 5, 4, 3, 2, {"out": "swap_writepage"}, {"out_pages": 7})


def test_a_method_that_there_is_not(tmp_path: Path) -> None:
    content = json.loads(meta_bytes(META)) | {"method": "guess"}
    with pytest.raises(SpoTraceError, match="method is not one of text, memory, dump"):
        read(tmp_path, json.dumps(content).encode())
    assert read(tmp_path, json.dumps(content | {"method": None}).encode()).method is None


def read(directory: Path, content: bytes) -> Meta:
    """Return what snapshot.json with this content gives."""
    (directory / "snapshot.json").write_bytes(content)
    return read_meta(directory)


@pytest.mark.parametrize(
    "owner", [META.swap_owner, SwapOwner(Origin.MEMORY, kept_by_kernel=True), SwapOwner(Origin.BPF, trace=TRACE)]
)
def test_what_is_written_is_read_back(tmp_path: Path, owner: SwapOwner) -> None:
    meta = Meta(**{name: getattr(META, name) for name in Meta.__slots__} | {"swap_owner": owner})
    assert read(tmp_path, meta_bytes(meta)) == meta


def test_the_format_of_the_file() -> None:
    values = json.loads(meta_bytes(META))
    assert values["source"] == {"kind": "capture", "from": "c", "cut_off": "the end of the archive is missing"}
    assert values["swap_owner"] == {"origin": None, "why": "no file", "code": "no_file", "kept_by_kernel": True}
    assert values["files"]["empty"] == {"records": 0}
    assert values["files"]["page_owner"]["marks"] == {
        "tabs": {"text": "lines with tabs instead of blanks", "number": 2}
    }
    assert values["missing"] == {"show_stacks": {"code": "blocked", "why": "stuck"}}
    assert values["page_size_evidence"] == [{"size": 65536, "from": "pagesize"}]
    assert (values["host"], values["page_size"], values["vmstat"]) == ("box", 4096, {"nr_mlock": -1})


# As version 1 wrote it.
FIRST: dict[str, Any] = {
    "schema_version": 1,
    "tool_version": "0.1",
    "written_at": "2025-01-02T03:04:06+00:00",
    "source": {"kind": "capture", "from": "c"},
    "swap_owner": {"origin": None, "why": "not asked for (--swap none)"},
    "files": {
        "page_owner": {
            "records": 3,
            "malformed": 2,
            "reasons": {"the record is cut off: it has no empty line at its end": 1, "line not understood": 1},
        }
    },
    "warnings": ["nothing in the capture tells the page size: 4096 bytes assumed"],
    "host": "box",
    "kernel_release": "7.2.13",
    "kernel_version": "#1",
    "arch": "x86_64",
    "page_size": 4096,
    "page_size_from": "assumed",
    "boot_id": None,
    "cmdline": None,
    "taken_at": None,
    "uptime_start": None,
    "meminfo": {},
    "zoneinfo": [],
    "swaps": [],
    "vmstat": {},
    "uptime_end": None,
    "meminfo_after": {},
}
PROBES = {
    **{"origin": "bpf", "why": None, "attached_at": "now", "used_at_attach": 5, "unknown_pages": 4, "lost_pages": 3},
    **{"slot_cache_pages": 2, "hooks": {"out": "swap_writepage"}, "counters": {"out_pages": 7}},
    "kept_by_kernel": False,
}


def test_version_1(tmp_path: Path) -> None:
    meta = read(tmp_path, json.dumps(FIRST).encode())
    assert meta.swap_owner == SwapOwner(why=Why(Missing.UNKNOWN, "not asked for (--swap none)"))
    assert meta.files["page_owner"].reasons == {"cut_off": 1, "line not understood": 1}
    assert (meta.machine.page_size_from, meta.missing, meta.cost) == (PageSizeFrom.ASSUMED, {}, None)
    # The kernel that printed swap_page_owner kept the owners of swap.
    owner = {"origin": "debugfs", "why": None}
    debugfs = read(tmp_path, json.dumps({**FIRST, "swap_owner": owner}).encode())
    assert debugfs.swap_owner == SwapOwner(Origin.DEBUGFS, kept_by_kernel=True)


@pytest.mark.parametrize(
    ("text", "source"),
    [("getconf PAGESIZE", PageSizeFrom.PAGESIZE), ("MemTotal / managed pages", PageSizeFrom.ZONEINFO)],
)
def test_version_2(tmp_path: Path, text: str, source: PageSizeFrom) -> None:
    content = {**FIRST, "schema_version": 2, "swap_owner": PROBES, "page_size_from": text}
    meta = read(tmp_path, json.dumps(content).encode())
    assert meta.swap_owner == SwapOwner(Origin.BPF, trace=TRACE)
    assert meta.machine.page_size_from is source


def changed(path: str, value: object) -> bytes:
    """Return snapshot.json with another value at a path of keys and indexes; `...` removes the key."""
    values = json.loads(meta_bytes(META))
    *parents, last = path.split(".")
    place = values
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is nested more than 20 deep"),
        (b'{"schema_version": 1, "schema_version": 3}', "schema_version is there twice"),
        (b"[]", "it is not an object"),
        (b"7", "it is not an object"),
        (b"{}", "schema_version is missing"),
        (b'{"schema_version": 1}', "files is missing"),
        (changed("processes", {"self": 1}), "processes.self is not the start time of a process"),
        (changed("processors", 0), "processors is not a whole number from 1 to 8192"),
        (changed("processors", 1 << 40), "processors is not a whole number from 1 to 8192"),
        (changed("processes", {"1": -1}), "processes.1 is not a whole number from 0 to 10**17"),
        (changed("buddyinfo.0.blocks", [-1]), "buddyinfo[0].blocks is not a whole number from 0 to 10**17"),
        (changed("buddyinfo.0.blocks", [1] * 24), "buddyinfo[0].blocks is not a list of at most 23 numbers"),
        (changed("schema_version", 0), "schema_version is not a whole number from 1 to 10**22"),
        (changed("schema_version", "3"), "schema_version is not a whole number from 1 to 10**22"),
        (changed("schema_version", True), "schema_version is not a whole number from 1 to 10**22"),
        (changed("files.page_owner", []), "files.page_owner is not an object"),
        (changed("files.page_owner.records", -1), "files.page_owner.records is not a whole number from 0 to 10**22"),
        (changed("files.page_owner.marks.tabs", 7), "files.page_owner.marks.tabs is not an object"),
        (changed("files.\x1b[1m\n", 7), "files.\\033[1m\\n is not an object"),
        (changed(f"files.{'x' * 999}", 7), f"files.{'x' * 74} is not an object"),
        (changed("meminfo", ...), "meminfo is missing"),
        (changed("meminfo.MemTotal", "4096"), "meminfo.MemTotal is not a whole number from 0 to 10**22"),
        (changed("meminfo.MemTotal", 10**23), "meminfo.MemTotal is not a whole number from 0 to 10**22"),
        (changed("page_size", 4097), "page_size is not a page size from 4096 to 262144"),
        (changed("page_size", True), "page_size is not a whole number from 0 to 10**22"),
        (changed("page_size", 4096.0), "page_size is not a whole number from 0 to 10**22"),
        (changed("page_size_from", "x"), "page_size_from is not one of option, pagesize, getconf, zoneinfo, vmstat, "),
        (changed("uptime_start", float("nan")), "uptime_start is not a finite number"),
        (changed("uptime_start", float("inf")), "uptime_start is not a finite number"),
        (changed("swaps.0.used", None), "swaps[0].used is not a whole number from 0 to 10**17"),
        (changed("swaps.0.used", 10**17 + 1), "swaps[0].used is not a whole number from 0 to 10**17"),
        (changed("zoneinfo.0.pcp", 10**17 + 1), "zoneinfo[0].pcp is not a whole number from 0 to 10**17"),
        (changed("swaps", [5]), "swaps[0] is not an object"),
        (changed("swap_owner.origin", "x"), "swap_owner.origin is not one of debugfs, bpf"),
        (changed("swap_owner.kept_by_kernel", 1), "swap_owner.kept_by_kernel is not true or false"),
        (changed("warnings", "x"), "warnings is not a list"),
        (changed("warnings", [5]), "warnings is not text"),
        (changed("host", "\ud800"), "host is not text"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_key(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(SpoTraceError) as caught:
        read(tmp_path, content)
    assert caught.value.message.startswith(f"{tmp_path} is damaged: snapshot.json: {said}")
    assert caught.value.hint == "was it copied completely? Copy it again, or take it again"


def test_a_cause_of_a_later_release_is_unknown(tmp_path: Path) -> None:
    meta = read(tmp_path, changed("swap_owner.code", "of_a_later_release"))
    assert meta.swap_owner.why == Why(Missing.UNKNOWN, "no file")


def test_the_page_size_must_be_that_of_its_evidence(tmp_path: Path) -> None:
    # GIVEN a snapshot whose meminfo and zoneinfo show 64 KiB
    zone = Zone(node=0, name="DMA", free=1, managed=1000, present=1000, spanned=1000, start_pfn=5, pcp=6)
    machine = replace(MACHINE, page_size_evidence=[], meminfo={"MemTotal": 1000 << 16}, zoneinfo=[zone])
    # WHEN another size was given, THEN what they show is evidence, even if it is not listed
    meta = read(tmp_path, meta_bytes(Meta(3, machine)))
    assert meta.machine.page_size_evidence == [Evidence(65536, PageSizeFrom.ZONEINFO)]
    # AND a size that claims to follow from them is damage.
    content = meta_bytes(Meta(3, replace(machine, page_size_from=PageSizeFrom.ZONEINFO)))
    with pytest.raises(
        SpoTraceError, match=r"is damaged: snapshot\.json: page_size is not 65536, which zoneinfo shows"
    ):
        read(tmp_path, content)
