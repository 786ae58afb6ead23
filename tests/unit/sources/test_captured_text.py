# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text that was copied through mail, logs or terminals is cleaned; changes are counted, rejects located."""

import codecs
import quopri
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError
from spo_trace.formats.copied_text import HEAD
from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.formats.text_reader import chunks_in
from spo_trace.snapshots.meta import FileCounts
from spo_trace.sources.captured_text import file_text, needs_cleaning
from tests.support import ANON, CARRIED, MACHINE, SHMEM, capture, entry, page, tar_of

TEXT = (
    page(0x200, 0, b"dd", tail=b"Page has been migrated, last migrate reason: compaction\nCharged to memcg a b\n")
    + page(0x210, 3, b"vdec task", stack=SHMEM, tail=b"Slab cache page\n", node=12)
    + page(0x220, 1, b"a), ts 1 ns", stack=(*ANON, b"0xffffffffc0123456"))
)
UNKNOWN = b"New in 7.9: colour red\n"
NOTED = TEXT.replace(b"PFN 0x210", UNKNOWN + b"PFN 0x210")


def each_line(prefix: bytes) -> Callable[[bytes], bytes]:
    return lambda text: b"".join(prefix + line for line in text.splitlines(keepends=True))


def each_end(end: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.replace(b"\n", end)


def in_codec(codec: str, mark: bytes = b"", end: bytes = b"\n") -> Callable[[bytes], bytes]:
    return lambda text: mark + text.replace(b"\n", end).decode().encode(codec)


def stamped(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(b"[%5d.%06d] " % (612, number * 77) + line for number, line in enumerate(lines))


def numbered(form: bytes) -> Callable[[bytes], bytes]:
    return lambda text: b"".join(
        form % number + line for number, line in enumerate(text.splitlines(keepends=True), start=96)
    )


LINE_CHANGES: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "> ": (each_line(b"> "), Reason.QUOTED),
    ">": (each_line(b">"), Reason.QUOTED),
    "> > ": (each_line(b"> > "), Reason.QUOTED),
    ">> ": (each_line(b">> "), Reason.QUOTED),
    "| ": (each_line(b"| "), Reason.QUOTED),
    "a tab": (each_line(b"\t"), Reason.INDENTED),
    "four blanks": (each_line(b"    "), Reason.INDENTED),
    "printk time": (stamped, Reason.TIMESTAMPS),
    "printk time and caller": (each_line(b"[  261.214290][T11285] "), Reason.TIMESTAMPS),
    "printk caller": (each_line(b"[T123] "), Reason.TIMESTAMPS),
    "dmesg -T": (each_line(b"[Sat Mar  7 10:00:00 2026] "), Reason.TIMESTAMPS),
    "syslog": (each_line(b"Mar  7 10:00:00 host kernel: "), Reason.TIMESTAMPS),
    "journald": (each_line(b"Mar 07 10:00:00 host kernel: [  612.113412] "), Reason.TIMESTAMPS),
    "short-iso": (each_line(b"2026-03-07T10:00:00+0100 host cat[77]: "), Reason.TIMESTAMPS),
    "ts": (each_line(b"Mar 07 10:00:00 "), Reason.TIMESTAMPS),
    "ts with fractions": (each_line(b"1772877600.123456 "), Reason.TIMESTAMPS),
    "ISO": (each_line(b"2026-03-07T10:00:00.123456Z "), Reason.TIMESTAMPS),
    "minicom": (each_line(b"[2026-03-07 10:00:00] "), Reason.TIMESTAMPS),
    "time alone": (each_line(b"10:00:00.123 "), Reason.TIMESTAMPS),
    "logcat": (each_line(b"03-07 10:00:00.123  1234  1235 I shell   : "), Reason.TIMESTAMPS),
    "cat -n": (numbered(b"%6d\t"), Reason.NUMBERED),
    "grep -n": (numbered(b"%d:"), Reason.NUMBERED),
    "grep -Hn": (numbered(b"page_owner.txt:%d:"), Reason.NUMBERED),
    "grep -H": (each_line(b"/sys/kernel/debug/page_owner:"), Reason.NUMBERED),
    "level": (each_line(b"<6>"), Reason.PRINTK_LEVELS),
    "CR LF": (each_end(b"\r\n"), Reason.CR_LF),
    "CR CR LF": (each_end(b"\r\r\n"), Reason.CR_LF),
    "trailing blanks": (each_end(b"  \n"), Reason.TRAILING_BLANKS),
    "trailing tabs": (each_end(b"\t\n"), Reason.TRAILING_BLANKS),
    "tabs for leading blanks": (lambda text: text.replace(b"\n ", b"\n\t"), Reason.TABS),
}
ENCODINGS: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "byte-order mark": (in_codec("utf-8", codecs.BOM_UTF8), Reason.BYTE_ORDER_MARK),
    "UTF-16 LE": (in_codec("utf-16-le", codecs.BOM_UTF16_LE, b"\r\n"), Reason.UTF_16),
    "UTF-16 BE": (in_codec("utf-16-be", codecs.BOM_UTF16_BE), Reason.UTF_16),
    "UTF-16 LE without a mark": (in_codec("utf-16-le"), Reason.UTF_16),
    "UTF-16 BE without a mark": (in_codec("utf-16-be"), Reason.UTF_16),
    "quoted-printable": (quopri.encodestring, Reason.QUOTED_PRINTABLE),
    "newlines alone in quoted-printable": (each_end(b"=0A=\n"), Reason.QUOTED_PRINTABLE),
}
CHANGES = LINE_CHANGES | ENCODINGS


def rows_of(directory: Path, text: bytes, name: str = "page_owner") -> tuple[list[dict[str, Any]], FileCounts]:
    """Return a capture's rows with their frames, and the counts of the file."""
    path = capture(directory / "c", {**MACHINE, name: text})
    snap = spo.snapshot(directory / "c.spo", from_=path)
    frames = snap.stacks["frames"].tolist()
    table = snap.swap if name == "swap_page_owner" else snap.pages
    rows = [row | {"frames": list(frames[row.pop("stack_id")])} for row in table.to_dict("records")]
    return [{key: str(value) for key, value in row.items()} for row in rows], snap.meta.files[name]


@pytest.mark.parametrize("name", CHANGES)
def test_a_copied_text_gives_the_rows_of_the_original(tmp_path: Path, name: str) -> None:
    change, mark = CHANGES[name]
    plain, counts = rows_of(tmp_path / "plain", TEXT)
    assert not counts.marks
    # WHEN the copied text is read
    copied, counts = rows_of(tmp_path / "copied", change(TEXT))
    # THEN all rows are the same, nothing is rejected, and the change is counted
    assert copied == plain
    assert (counts.malformed, counts.notes) == (0, 0)
    assert counts.marks[mark] > 0


@pytest.mark.parametrize("name", CHANGES)
def test_rejects_are_located_in_the_input(tmp_path: Path, name: str) -> None:
    change, _ = CHANGES[name]
    copied = change(NOTED)
    rows, counts = rows_of(tmp_path, copied)
    assert len(rows) == 3
    assert counts.notes == 1
    where = str(counts.first_reject)
    offset = int(where.partition("byte ")[2].partition(":")[0])
    words = UNKNOWN[:8]
    if name.startswith("UTF-16"):
        assert copied[offset : offset + 16] in (words.decode().encode("utf-16-le"), words.decode().encode("utf-16-be"))
    else:
        assert copied[offset : offset + 8] == words
        line = copied.count(b"\n", 0, offset) + 1
        assert where.startswith(f"page_owner line {line} byte ")


@pytest.mark.parametrize("inner", ["> ", "printk time", "a tab", "CR LF", "trailing blanks"])
@pytest.mark.parametrize("outer", ["> ", "byte-order mark", "UTF-16 LE", "quoted-printable", "syslog"])
def test_two_changes_at_once(tmp_path: Path, inner: str, outer: str) -> None:
    plain, _ = rows_of(tmp_path / "plain", TEXT)
    text = CHANGES[outer][0](CHANGES[inner][0](TEXT))
    copied, counts = rows_of(tmp_path / "copied", text)
    assert copied == plain
    assert {CHANGES[inner][1], CHANGES[outer][1]} <= counts.marks.keys()


@pytest.mark.parametrize("name", ["> ", "printk time", "UTF-16 LE", "CR LF", "trailing blanks"])
def test_swap_entries_too(tmp_path: Path, name: str) -> None:
    text = entry(0x2E) + entry(0x2F, b"a b", stack=ANON)
    plain, _ = rows_of(tmp_path / "plain", text, "swap_page_owner")
    copied, counts = rows_of(tmp_path / "copied", CHANGES[name][0](text), "swap_page_owner")
    assert copied == plain
    assert len(plain) == 2
    assert CHANGES[name][1] in counts.marks


def test_prefixes_may_begin_after_other_text_and_differ_between_records(tmp_path: Path) -> None:
    # GIVEN a mail: fifty lines of other text, a quoted record, a plain one, and one with timestamps
    first, second, third = (part + b"\n\n" for part in TEXT.strip().split(b"\n\n"))
    mail = b"From: somebody\n" * 50 + each_line(b"> ")(first) + second + b"I see also:\n" + stamped(third)
    rows, counts = rows_of(tmp_path, mail)
    # THEN all are parsed
    assert rows == rows_of(tmp_path / "plain", TEXT)[0]
    assert counts.marks.keys() == {Reason.QUOTED, Reason.TIMESTAMPS}


def test_frames_of_another_message_in_a_record_are_not_its_stack(tmp_path: Path) -> None:
    oops = b"[  612.113412]  some_driver+0x10/0x20\n[  612.113413] usb 1-1: new device\n"
    rows, counts = rows_of(tmp_path, TEXT.replace(b" alloc_pages_mpol", oops + b" alloc_pages_mpol", 1))
    assert rows == rows_of(tmp_path / "plain", TEXT)[0]
    assert counts.notes == 2
    assert set(counts.reasons) <= {Reason.STACK_GAP, Reason.LINE}


def test_prefixes_that_begin_after_the_head_are_rejected_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a head of plain text, then a quoted record
    monkeypatch.setattr("spo_trace.sources.captured_text.HEAD", 100)
    text = TEXT + each_line(b"> ")(page(0x300))
    rows, counts = rows_of(tmp_path, text)
    assert len(rows) == 3
    assert (counts.malformed, set(counts.reasons)) == (1, {Reason.MARKED})


COMMS = (b"\n> Page alloca", b"\n[  1.000] Page", b"\nPFN 0x1=3D", b", ts 1 ns=\n", b"\n3 times:\n", b"\n\t\n\n> \n",
         b"x\nPage order 1", b"\nSWP entry 0x=", b"=0A=\n", b"\nPAR1")  # fmt: skip


@pytest.mark.parametrize("comm", COMMS)
def test_a_comm_does_not_make_a_text_look_copied(tmp_path: Path, comm: bytes) -> None:
    # GIVEN a kernel's own text with a comm that looks like a prefix, or like another kind of text
    assert len(comm) <= 15
    text = (
        page(0x400)
        + page(0x500, 2, comm, tail=b"Charged to memcg > Page allocated via order 0 \n", node=33)
        + page(0x600)
    )
    assert not needs_cleaning("page_owner", text)
    # THEN it is read unchanged
    rows, counts = rows_of(tmp_path, text)
    assert [row["pfn"] for row in rows] == ["1024", "1280", "1536"]
    assert [row["memcg"] for row in rows][1] == "> Page allocated via order 0 "
    assert (counts.malformed, counts.notes, counts.marks) == (0, 0, {})


def test_no_text_of_a_real_kernel_looks_copied() -> None:
    import lzma

    for path in sorted(CARRIED.glob("*/*/*page_owner.xz")):
        head = lzma.decompress(path.read_bytes())[:HEAD]
        assert not needs_cleaning(path.name.removesuffix(".xz"), head), path


def test_other_files_are_decoded_too(tmp_path: Path) -> None:
    files = {name: in_codec("utf-16-le", codecs.BOM_UTF16_LE)(text) for name, text in MACHINE.items()}
    path = capture(tmp_path / "c", files | {"page_owner": TEXT})
    snap = spo.snapshot(tmp_path / "c.spo", from_=path)
    assert (snap.meta.machine.host, snap.meta.warnings, snap.meta.machine.page_size_from) == ("box", [], "pagesize")


def test_copied_text_in_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "c.tar"
    archive.write_bytes(tar_of({**MACHINE, "page_owner": each_line(b"> ")(TEXT)}))
    snap = spo.snapshot(tmp_path / "c.spo", from_=archive)
    assert snap.pages["order"].tolist() == [0, 3, 1]


def test_marks_are_not_rejects() -> None:
    assert all(reason.text for reason in Reason)
    assert {mark for _, mark in CHANGES.values()} <= MARKS


def test_another_kind_of_file_named_page_owner_in_a_directory(tmp_path: Path) -> None:
    text = b"3 times, 3 pages:\nPage allocated via order 0, mask 0x0()\n a+0x1/0x2\n\n"
    capture(tmp_path, {"page_owner": text})
    with pytest.raises(SpoTraceError, match="but the output of page_owner_sort") as caught:
        spo.open(tmp_path)
    assert caught.value.hint == "name the file itself, unpacked"
    assert spo.attribute(tmp_path / "page_owner", "stack")["mem_pages"].tolist() == [3]


@pytest.mark.parametrize("name", ["page_owner", "meminfo"])
def test_a_file_that_the_disk_cannot_return(tmp_path: Path, name: str) -> None:
    # GIVEN a file whose reads fail with EIO, as those of address 0 of a process do
    (tmp_path / name).symlink_to("/proc/self/mem")
    if name == "page_owner":
        # THEN without the owners, there is an error
        with pytest.raises(SpoTraceError, match=r"/page_owner can't be read: Input/output error$"):
            file_text(name, tmp_path / name)
    else:
        # AND any other file is left out
        text = file_text(name, tmp_path / name)
        assert (b"".join(chunks_in(text)), text.outcome.problem) == (b"", "it can't be read: Input/output error")
