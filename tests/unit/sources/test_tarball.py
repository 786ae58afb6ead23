# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures in tar archives: usual, truncated, empty, ambiguous, hostile."""

import os
import tarfile
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.formats.missing import Missing
from spo_trace.formats.text_reader import chunks_in
from spo_trace.limits import MAX_MEMBER_HEADER_BYTES
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.tarball import is_tar
from tests.support import CODECS, entry, pack, page, tar_of

PAGE, SWAP, MEM = page() * 3, entry(1), b"MemTotal: 8 kB\n"

LARGE = (1 << 20) + 1


def source_of(path: Path, packed: bytes) -> CaptureSource:
    """Return an archive with these bytes as a capture."""
    path.write_bytes(packed)
    return CaptureSource([path])


def content(source: CaptureSource, name: str) -> tuple[bytes, str | None]:
    """Return a file's whole text and its problem."""
    text = source.open(name)
    assert text is not None
    return b"".join(chunks_in(text)), text.outcome.problem


@pytest.mark.parametrize("suffix", ["", *CODECS])
@pytest.mark.parametrize("top", ["", "./", "capture/", "./a/b/"])
def test_an_archive_of_a_flat_capture(tmp_path: Path, suffix: str, top: str) -> None:
    plain = tar_of({f"{top}meminfo": MEM, f"{top}page_owner": PAGE, f"{top}swap_page_owner": SWAP})
    source = source_of(tmp_path / "x", pack(plain, suffix) if suffix else plain)
    texts = [content(source, name) for name in ("page_owner", "swap_page_owner", "meminfo")]
    assert texts == [(PAGE, None), (SWAP, None), (MEM, None)]
    assert source.open("swaps") is None


@pytest.mark.parametrize("suffix", CODECS)
def test_an_archive_laid_out_like_the_machine_with_compressed_files(tmp_path: Path, suffix: str) -> None:
    directory = "machine/sys/kernel/debug/"
    packed = tar_of({directory + f"page_owner.{suffix}": pack(PAGE, suffix), "machine/proc/meminfo": MEM})
    source = source_of(tmp_path / "x.tar", packed)
    assert [content(source, name) for name in ("page_owner", "meminfo")] == [(PAGE, None), (MEM, None)]


@pytest.mark.parametrize("suffix", ["lz4", "bz2"])
def test_the_first_block_of_a_codec_may_be_large(tmp_path: Path, suffix: str) -> None:
    # lz4 and bz2 give nothing before the end of a block, up to 4 MiB; this text compresses badly, to more than 900 kB.
    noise = os.urandom(LARGE)
    source = source_of(tmp_path / "x", pack(tar_of({"show_stacks": noise, "page_owner": PAGE}), suffix))
    assert content(source, "page_owner") == (PAGE, None)
    assert content(source, "show_stacks") == (noise, None)


def test_large_files_are_not_kept_in_memory(tmp_path: Path) -> None:
    large = page() * (LARGE // len(page()) + 1)
    source = source_of(tmp_path / "x", tar_of({"page_owner": large, "meminfo": MEM}))
    assert content(source, "page_owner") == (large, None)
    assert content(source, "page_owner") == (large, None)


def test_an_archive_of_debugfs_itself_has_empty_files(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError) as caught:
        source_of(tmp_path / "x.tar", tar_of({"sys/kernel/debug/page_owner": b""}))
    assert caught.value.message == f"{tmp_path}/x.tar: sys/kernel/debug/page_owner is empty in the archive"
    assert caught.value.hint == ("tar stores debugfs files as empty: `cat` them to files first, and archive those")


def test_an_archive_of_several_captures_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError) as caught:
        source_of(tmp_path / "x.tar", tar_of({"a/page_owner": PAGE, "\x1b[2J/page_owner.xz": PAGE}))
    assert caught.value.message == (
        f"{tmp_path}/x.tar has several files page_owner: a/page_owner, \\033[2J/page_owner.xz"
    )
    assert caught.value.hint == "unpack it and name the directory of one capture"


def test_an_archive_without_page_owner(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match=r"/x.tar has no page_owner file$"):
        source_of(tmp_path / "x.tar", tar_of({"meminfo": MEM, "etc/page_owner.txt": b"x"}))


def test_an_archive_with_swap_owners_alone(tmp_path: Path) -> None:
    source = source_of(tmp_path / "x.tar", tar_of({"swap_page_owner": SWAP}))
    assert content(source, "swap_page_owner") == (SWAP, None)


def test_messages_of_err_files_are_escaped(tmp_path: Path) -> None:
    said = b"cat: swap_page_owner: \x1b[1mInvalid argument\n"
    source = source_of(tmp_path / "x.tar", tar_of({"page_owner": PAGE, "swap_page_owner.err": said}))
    assert source.why_missing("swap_page_owner") == (
        Missing.NOT_SWITCHED_ON,
        "cat: swap_page_owner: \\033[1mInvalid argument",
        "",
    )


def test_directories_links_and_devices_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("page_owner")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    with pytest.raises(SpoTraceError, match=r"has no page_owner file$"):
        CaptureSource([tmp_path / "x.tar"])


@pytest.mark.parametrize("suffix", ["", "gz", "xz", "zst", "lz4", "bz2"])
def test_a_truncated_archive_gives_the_text_before_the_cut(tmp_path: Path, suffix: str) -> None:
    large = b"".join(page(pfn, ts=pfn * 7919) for pfn in range(9000))
    plain = tar_of({"meminfo": MEM, "page_owner": large, "swaps": MEM})
    packed = pack(plain, suffix) if suffix else plain
    source = source_of(tmp_path / "x", packed[: len(packed) * 2 // 3])
    assert content(source, "meminfo") == (MEM, None)
    assert source.open("swaps") is None
    text, problem = content(source, "page_owner")
    assert large.startswith(text)
    assert 0.3 * len(large) < len(text) < len(large)
    assert problem is not None
    assert problem.startswith("reading the input failed: ")


def test_a_cut_in_a_small_file_is_a_problem_of_that_file(tmp_path: Path) -> None:
    plain = tar_of({"page_owner": PAGE, "meminfo": b"MemTotal: 8 kB\n" * 100})
    source = source_of(tmp_path / "x.tar", plain[: plain.index(b"MemTotal") + 20])
    assert content(source, "page_owner") == (PAGE, None)
    assert content(source, "meminfo")[1] is not None


def test_a_cut_before_the_first_file_is_an_error(tmp_path: Path) -> None:
    packed = pack(tar_of({"page_owner": os.urandom(99_999)}), "gz")
    whole = packed[:20]
    with pytest.raises(SpoTraceError):
        source_of(tmp_path / "x.tar.gz", whole)


@pytest.mark.parametrize("at", range(0, 1536, 37))
def test_a_damaged_header_is_an_error_or_gives_the_text(tmp_path: Path, at: int) -> None:
    plain = bytearray(tar_of({"meminfo": MEM, "page_owner": PAGE}))
    plain[at] ^= 0xFF
    try:
        source = source_of(tmp_path / "x.tar", bytes(plain))
    except SpoTraceError as error:
        assert "\n" not in error.message
    else:
        # With a damaged magic, the archive is a plain file that has page_owner text.
        assert content(source, "page_owner")[0] in (PAGE, bytes(plain))


def test_a_header_with_an_invalid_size(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("page_owner")
        member.pax_headers = {"GNU.sparse.size": "many"}
        archive.addfile(member)
    with pytest.raises(SpoTraceError, match=r"/x\.tar: the archive is damaged: invalid literal"):
        CaptureSource([path])


def test_is_tar() -> None:
    assert is_tar(tar_of({"x": b""}))
    assert not is_tar(page())
    assert not is_tar(b"")


def test_of_several_files_of_a_name_the_path_on_the_machine_decides(tmp_path: Path) -> None:
    # GIVEN an archive of a whole machine, as made by support tools
    files = {"host/etc/cmdline": b"no\n", "host/proc/cmdline": MEM, "host/sys/kernel/debug/page_owner": PAGE}
    # WHEN it is read
    source = source_of(tmp_path / "x.tar", tar_of(files))
    # THEN the kernel's own file is used
    assert content(source, "cmdline") == (MEM, None)


def test_why_an_archive_ends_before_page_owner_is_part_of_the_error(tmp_path: Path) -> None:
    # GIVEN a header that is longer than any of a capture, behind another file
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("meminfo"))
        owners = tarfile.TarInfo("page_owner")
        owners.pax_headers = {"comment": "x" * (MAX_MEMBER_HEADER_BYTES + 1)}
        archive.addfile(owners)
    # THEN the error says so
    with pytest.raises(
        SpoTraceError, match=r"has no page_owner file: reading the archive failed: an extended header has"
    ):
        CaptureSource([path])
