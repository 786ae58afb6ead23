# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input that is not a capture: the error names what it is. A capture is never mistaken for something else."""

import lzma
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.text_reader import chunks_in
from spo_trace.sources.aggregate_series import aggregates_in
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.file_identity import aggregate_by_content, name_by_content
from spo_trace.sources.other_input import known_content
from tests.support import CARRIED, capture, entry, page, tar_of

FRAMES = b" post_alloc_hook+0x1/0x2\n new_slab+0xd0/0x5ac\n"
RECORD = b"Page allocated via order 1, mask 0x42dc0(GFP_KERNEL), pid 1, tgid 1 (dd), ts  ns\n"

# The first lines of the output of page_owner_sort, with each of its options (tools/mm, Linux 3.19 to 7.2).
SORTED = {
    "3.19 to 5.14": b"7 times:\n" + RECORD + FRAMES + b"\n",
    "5.15": b"7 times, 14 pages:\n" + RECORD + FRAMES + b"\n",
    "with allocators": b"7 times, 14 pages, allocated by SLAB :\n" + RECORD + FRAMES + b"\n",
    "with several allocators": b"7 times, 14 pages, allocated by CMA SLAB VMALLOC :\n" + RECORD + FRAMES + b"\n",
    "--cull=stacktrace": b"7 times, 14 pages:\n" + FRAMES + b"\n",
    "--cull=allocator,st": b"7 times, 14 pages, allocated by OTHERS :\n" + FRAMES + b"\n",
    "--cull=allocator": b"7 times, 14 pages, allocated by OTHERS \n3 times, 3 pages, allocated by SLAB \n",
    "--cull=name": b"7 times, 14 pages, task_comm_name: systemd-journal\n1 times, 1 pages, task_comm_name: a b: c\n",
    "--cull=pid,tgid": b"7 times, 14 pages, PID 60, TGID 60\n",
    "--cull=tgid,name": b"7 times, 14 pages, TGID 60, task_comm_name: python3\n",
    "--cull=pid,name,st": b"7 times, 14 pages, PID 1, task_comm_name: init:\n" + FRAMES + b"\n",
    "after a prompt": b"$ cat sorted_page_owner.txt\n7 times, 14 pages:\n" + RECORD + FRAMES + b"\n",
    "quoted": b"> 7 times, 14 pages:\n> " + RECORD,
    "CR LF": b"7 times, 14 pages:\r\n" + RECORD.replace(b"\n", b"\r\n"),
}
OTHERS = {
    "a Parquet file": b"PAR1\x15\x04",
    "an HTML page": b"<!DOCTYPE html>\n<html><pre>" + page() + b"</pre>",
    "a kdump crash dump": b"KDUMP   \6\0\0\0",
    "an ELF file": b"\x7fELF\2\1\1",
    "a zip archive": b"PK\3\4\x14\0",
    "snapshot.json": b'{\n "schema_version": 3,\n "tool_version": "1"\n}\n',
}


@pytest.mark.parametrize("text", SORTED.values(), ids=SORTED)
@pytest.mark.parametrize("name", ["page_owner", "sorted_page_owner.txt"])
def test_page_owner_sort(text: bytes, name: str, tmp_path: Path) -> None:
    capture(tmp_path, {name: text})
    assert CaptureSource([tmp_path / name]).aggregate is AggregateKind.PAGE_OWNER_SORT


DUMPS = {
    "dmesg": b"[  261.2] page last allocated via order 0, migratetype Movable, gfp_mask 0x0(x)\n",
    "gdb": b'Page last allocated via order 0, gfp_mask: 0x8, pid: 1, tgid: 1 ("swapper/0\\000"), ts 1 ns\n',
    "4.9": b"page allocated via order 0, migratetype Movable, gfp_mask 0x8(GFP_X)\n",
    "crash": b"crash> owner -l\nPFN 256(0x100) paddr 100000 page_owner ffff\nPage allocated via order 7, mask 0xcc1\n",
}


@pytest.mark.parametrize("text", DUMPS.values(), ids=DUMPS)
@pytest.mark.parametrize("name", ["page_owner", "x.txt"])
def test_dumps_of_single_pages(text: bytes, name: str, tmp_path: Path) -> None:
    capture(tmp_path, {name: text})
    assert CaptureSource([tmp_path / name]).aggregate is AggregateKind.PAGE_DUMP


@pytest.mark.parametrize(("what", "text"), OTHERS.items(), ids=OTHERS)
@pytest.mark.parametrize("name", ["page_owner", "x.bin"])
def test_other_input(what: str, text: bytes, name: str, tmp_path: Path) -> None:
    capture(tmp_path, {name: text})
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource([tmp_path / name])
    assert what in caught.value.message
    assert caught.value.hint


def test_no_text_of_a_real_kernel_is_mistaken() -> None:
    for path in sorted(CARRIED.glob("*/*/*page_owner.xz")):
        head = lzma.decompress(path.read_bytes())[: 1 << 20]
        assert known_content(head) is None
        if head:
            assert name_by_content(head) == path.name.removesuffix(".xz")


@pytest.mark.parametrize("comm", [b"\n1 times:\n", b"\n1 times, 1 pag", b"\ntimes 1 order ", b"nr_base_pages: "])
def test_a_comm_does_not_make_a_capture_look_different(comm: bytes) -> None:
    assert len(comm) <= 15
    assert known_content(page(comm=comm)) is None
    assert known_content(entry(0x2E, comm)) is None
    assert name_by_content(page(comm=comm)) == "page_owner"


@pytest.mark.parametrize("name", ["sprd_page_owner", "owners.txt.gz", "dump.log"])
def test_one_file_of_another_name(name: str, tmp_path: Path) -> None:
    import gzip

    text = gzip.compress(page()) if name.endswith(".gz") else page()
    files = {name: text, "meminfo": b"MemTotal: 5 kB\n", "notes.txt": b"hello\n"}
    directory = capture(tmp_path / "c", files)
    archive = tmp_path / "c.tar"
    archive.write_bytes(tar_of({f"c/{path}": content for path, content in files.items()}))
    for given in (directory, archive):
        text_of = CaptureSource([given]).open("page_owner")
        assert text_of is not None
        assert b"".join(chunks_in(text_of)) == page()
        assert name in str(text_of.note)


def test_several_files_of_other_names_are_listed(tmp_path: Path) -> None:
    files = {"a_owner": page(), "b_owner": page()}
    archive = tmp_path / "c.tar"
    archive.write_bytes(tar_of(files))
    for given in (capture(tmp_path / "c", files), archive):
        with pytest.raises(SpoTraceError, match="several with its text: a_owner, b_owner") as caught:
            CaptureSource([given])
        assert caught.value.hint == "name one of these files"


def test_a_snapshot_or_a_recording_instead_of_a_capture(tmp_path: Path) -> None:
    archive = tmp_path / "c.tar"
    archive.write_bytes(tar_of({"now.spo/snapshot.json": b"{}", "now.spo/pages.parquet": b"PAR1"}))
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource([archive])
    assert "snapshot" in str(caught.value.hint)
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource([capture(tmp_path / "r", {"series.json": b"{}", "00001.parquet": b"PAR1"})])
    assert caught.value.message == f"{tmp_path / 'r'} is a recording of samples"


def test_an_aggregate_in_a_directory_or_an_archive(tmp_path: Path) -> None:
    text = b"3 times, 6 pages:\nPage allocated via order 1, mask 0x1\n post_alloc_hook+0x1/0x2\n\n"
    files = {"sorted.txt": text, "meminfo": b"MemTotal: 5 kB\n"}
    archive = tmp_path / "c.tar"
    archive.write_bytes(tar_of(files))
    for given in (capture(tmp_path / "c", files), archive):
        source = CaptureSource([given])
        assert source.aggregate is AggregateKind.PAGE_OWNER_SORT
        text_of = source.open("page_owner_sort")
        assert text_of is not None
        assert b"".join(chunks_in(text_of)) == text


def test_several_aggregates_in_a_directory_are_a_series(tmp_path: Path) -> None:
    files = {"1.txt": SORTED["5.15"], "2.txt": SORTED["5.15"]}
    with pytest.raises(SpoTraceError, match=r"several with the output of page_owner_sort: 1\.txt, 2\.txt") as caught:
        CaptureSource([capture(tmp_path, files)])
    assert "spo-trace trend DIRECTORY" in str(caught.value.hint)
    assert aggregates_in(tmp_path) == [[str(tmp_path / "1.txt")], [str(tmp_path / "2.txt")]]


@pytest.mark.parametrize("comm", [b"\n1 times:\n", b"a\n1 times:\nb", b"nr_base_pages: "])
def test_the_name_of_a_process_does_not_make_an_aggregate(comm: bytes) -> None:
    assert aggregate_by_content(page(comm=comm)) is None
    assert aggregate_by_content(entry(0x2E, comm)) is None
