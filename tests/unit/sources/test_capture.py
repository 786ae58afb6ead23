# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures as a directory, as single files and on a pipe."""

import io
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.formats.missing import Missing
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import chunks_in
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.source import PATHS
from tests.support import CODECS, MACHINE, capture, entry, pack, page, snapshot_of, tar_of

PAGE, SWAP, MEM = page(), entry(1), b"MemTotal: 8 kB\n"
STACKS = b" a+0x1/0x2\nnr_base_pages: 1\n\n"


def content(source: CaptureSource, name: str) -> bytes | None:
    """Return a file's whole text."""
    text = source.open(name)
    return None if text is None else b"".join(chunks_in(text))


def stdin(monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    """Put bytes on standard input."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(given)))


def test_a_directory_laid_out_like_the_machine(tmp_path: Path) -> None:
    texts = {name: name.encode() for name in PATHS}
    capture(tmp_path, {PATHS[name]: text for name, text in texts.items()})
    source = CaptureSource([tmp_path])
    assert {name: content(source, name) for name in PATHS} == texts
    assert source.options == {"from": str(tmp_path)}
    assert source.kind == "capture"


def test_a_flat_directory_with_stacks_as_in_debugfs(tmp_path: Path) -> None:
    capture(tmp_path, {"page_owner": PAGE, "page_owner_stacks/show_stacks": STACKS, "meminfo": MEM})
    source = CaptureSource([tmp_path])
    assert content(source, "page_owner") == PAGE
    assert content(source, "show_stacks") == STACKS
    assert content(source, "meminfo") == MEM
    assert source.open("swaps") is None
    assert source.why_missing("swaps") == (Missing.NOT_IN_CAPTURE, "not in the capture", "")


def test_a_directory_with_swap_owners_alone(tmp_path: Path) -> None:
    source = CaptureSource([capture(tmp_path, {"swap_page_owner": SWAP})])
    assert (content(source, "swap_page_owner"), source.open("page_owner")) == (SWAP, None)


def test_messages_of_err_files_are_escaped(tmp_path: Path) -> None:
    said = b"cat: read error: \x1b[31mInvalid argument\n"
    source = CaptureSource([capture(tmp_path, {"page_owner": PAGE, "swap_page_owner.err": said})])
    assert source.why_missing("swap_page_owner").text == "cat: read error: \\033[31mInvalid argument"


@pytest.mark.parametrize("suffix", CODECS)
def test_compressed_files_in_a_directory(tmp_path: Path, suffix: str) -> None:
    capture(tmp_path, {f"page_owner.{suffix}": pack(PAGE, suffix), f"meminfo.{suffix}": pack(MEM, suffix)})
    source = CaptureSource([tmp_path])
    assert (content(source, "page_owner"), content(source, "meminfo")) == (PAGE, MEM)


def test_captures_in_a_directory_are_listed(tmp_path: Path) -> None:
    capture(tmp_path, {"1-a/page_owner": PAGE, "2-b/page_owner.xz": PAGE, "3-\x1b[2J/page_owner": PAGE, "c/x": b""})
    with pytest.raises(SpoTraceError, match=r"has no page_owner file$") as caught:
        CaptureSource([tmp_path])
    assert caught.value.hint == "it contains captures: name one of 1-a, 2-b, 3-\\033[2J"


def test_a_directory_without_page_owner(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource([capture(tmp_path, {"meminfo": MEM})])
    assert caught.value.message == f"{tmp_path} has no page_owner file"
    assert (
        caught.value.hint
        == "a capture has page_owner or sys/kernel/debug/page_owner, as made by spo-trace capture-script"
    )


def test_single_files_are_identified_by_name_or_content(tmp_path: Path) -> None:
    files = {"a.txt": PAGE, "b": SWAP, "c.log": STACKS, "meminfo.gz": pack(MEM, "gz"), "crlf": b"x"}
    capture(tmp_path, files)
    source = CaptureSource([tmp_path / name for name in ("a.txt", "b", "c.log", "meminfo.gz")])
    found = [content(source, name) for name in ("page_owner", "swap_page_owner", "show_stacks", "meminfo")]
    assert found == [PAGE, SWAP, STACKS, MEM]


@pytest.mark.parametrize("given", [b"", b"\x7fEL\0\1\2\3" * 99, b"hello\n", "hello".encode("utf-16")])
def test_a_file_that_is_not_a_capture(tmp_path: Path, given: bytes) -> None:
    path = capture(tmp_path, {"x": given}) / "x"
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource([path])
    assert caught.value.message == (
        f"{path} is not a page_owner capture: it has no line that begins with 'Page allocated via'"
    )


def test_a_second_file_of_one_kind_is_refused(tmp_path: Path) -> None:
    capture(tmp_path, {"a": PAGE, "b": PAGE})
    with pytest.raises(UsageError, match=r"/b is a second page_owner$"):
        CaptureSource([tmp_path / "a", tmp_path / "b"])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match=r"/no can't be read: No such file or directory$"):
        CaptureSource([tmp_path / "no"])


@pytest.mark.parametrize("suffix", ["", *CODECS])
@pytest.mark.parametrize("text", ["page_owner", "swap_page_owner"])
def test_text_on_standard_input(monkeypatch: pytest.MonkeyPatch, suffix: str, text: str) -> None:
    plain = {"page_owner": PAGE * 500, "swap_page_owner": SWAP * 500}[text]
    stdin(monkeypatch, pack(plain, suffix) if suffix else plain)
    assert content(CaptureSource(["-"]), text) == plain


@pytest.mark.parametrize("suffix", ["", *CODECS])
def test_an_archive_on_standard_input(
    monkeypatch: pytest.MonkeyPatch, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = tmp_path_factory.mktemp("spool")
    monkeypatch.setattr("spo_trace.sources.input_file.scratch_directory", lambda: spool)
    plain = tar_of({"c/page_owner": PAGE * 5000, "c/meminfo": MEM})
    stdin(monkeypatch, pack(plain, suffix) if suffix else plain)
    source = CaptureSource(["-"])
    assert (content(source, "page_owner"), content(source, "meminfo")) == (PAGE * 5000, MEM)
    assert [path.stat().st_mode & 0o777 for path in spool.iterdir()] == [0o600]


@pytest.mark.parametrize(
    ("given", "message"),
    [(b"", "standard input is empty"), (b"\0\xff" * 99, "standard input has no page_owner text")],
)
def test_nothing_on_standard_input(monkeypatch: pytest.MonkeyPatch, given: bytes, message: str) -> None:
    stdin(monkeypatch, given)
    with pytest.raises(SpoTraceError) as caught:
        CaptureSource(["-"])
    assert caught.value.message == message


def test_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SpoTraceError, match=r"^standard input is closed$"):
        CaptureSource(["-"])


@pytest.mark.parametrize("suffix", ["", "gz"])
def test_a_named_pipe_is_read_once_and_whole(tmp_path: Path, suffix: str) -> None:
    # Like `<(ssh HOST cat …)`, and larger than the head that is read to identify it.
    plain = PAGE * 20_000
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[pack(plain, suffix) if suffix else plain])
    writer.start()
    assert content(CaptureSource([pipe]), "page_owner") == plain
    writer.join()


def test_progress_is_known_while_a_file_is_read_and_after(tmp_path: Path) -> None:
    text = CaptureSource([capture(tmp_path, {"page_owner": PAGE * 10_000})]).open("page_owner")
    assert isinstance(text, KernelText)
    assert (text.size, text.outcome.reached) == (len(PAGE) * 10_000, 0)
    b"".join(chunks_in(text))
    assert text.outcome.reached == text.size


def test_records_that_the_kernel_could_not_print(tmp_path: Path) -> None:
    said = b"E2BIG: 2 records do not fit the kernel's buffer\n"
    source = CaptureSource([capture(tmp_path, {"page_owner": PAGE, "page_owner.err": said})])
    text = source.open("page_owner")
    assert text is not None and b"".join(chunks_in(text)) == PAGE
    assert text.outcome.problem == "2 records do not fit the kernel's buffer"


def test_a_file_that_was_cut_off_on_the_machine(tmp_path: Path) -> None:
    # GIVEN the output of `cat page_owner` up to a record that did not fit the kernel's buffer, and its message
    said = b"cat: /sys/kernel/debug/page_owner: Cannot allocate memory\n"
    source = CaptureSource([capture(tmp_path, {"page_owner": PAGE, "page_owner.err": said})])
    # WHEN it is read
    text = source.open("page_owner")
    # THEN it has the text, and a problem
    assert text is not None and b"".join(chunks_in(text)) == PAGE
    assert (
        text.outcome.problem
        == "it was cut off on the machine: cat: /sys/kernel/debug/page_owner: Cannot allocate memory"
    )


@pytest.mark.parametrize(
    ("said", "code", "warns"),
    [
        ("ENOENT: cat: /sys/kernel/debug/swap_page_owner: No such file or directory", "no_file", True),
        ("cat: /sys/kernel/debug/swap_page_owner: No such file or directory", "no_file", True),
        # Older captures have no code: in another language, the cause is unknown.
        ("cat: /sys/kernel/debug/swap_page_owner: Datei oder Verzeichnis nicht gefunden", "unknown", False),
        ("ENOENT: cat: /sys/kernel/debug/swap_page_owner: Datei oder Verzeichnis nicht gefunden", "no_file", True),
        ("EINVAL: cat: No such file or directory: Invalid argument", "not_switched_on", False),
    ],
)
def test_the_code_of_an_err_file_decides(tmp_path: Path, said: str, code: str, warns: bool) -> None:
    # GIVEN a capture of a machine booted with page_owner=on,swap, without swap_page_owner
    files = {"page_owner": PAGE, "cmdline": b"page_owner=on,swap\n", "swap_page_owner.err": f"{said}\n".encode()}
    # WHEN it is snapshotted
    snap = snapshot_of(tmp_path, {**MACHINE, **files})
    # THEN it has the code, and a warning about the patch only if the kernel is known to lack it
    assert snap.meta.swap_owner.why is not None and snap.meta.swap_owner.why.code == code
    assert any("lacks the patch" in text for text in snap.meta.warnings) is warns


def test_a_file_that_is_refused_is_closed(tmp_path: Path) -> None:
    # GIVEN an ELF file named page_owner
    source = CaptureSource([capture(tmp_path / "c", {"page_owner": b"\x7fELF" + b"\0" * 100})])
    before = len(list(Path("/proc/self/fd").iterdir()))
    # WHEN it is refused
    with pytest.raises(SpoTraceError, match="this is an ELF file"):
        source.open("page_owner")
    # THEN it is closed
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("suffix", CODECS)
def test_a_compressed_file_that_is_cut_off_before_its_text_is_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    # GIVEN a file that ends before anything can be decompressed, as a file or on a pipe
    cut = pack(PAGE, suffix)[:10]
    (tmp_path / "cut").write_bytes(cut)
    stdin(monkeypatch, cut)
    # THEN the decompressor's reason is the error
    for given in (tmp_path / "cut", "-"):
        with pytest.raises(SpoTraceError, match="can't be decompressed: the compressed file is cut off"):
            CaptureSource([given])
