# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small captures, snapshots and command lines for the tests."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from spo_trace import cli
from spo_trace.collect.snapshot import collect
from spo_trace.files import scratch
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.text import Chunks, KernelText, Outcome
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.capture import CaptureSource

__all__ = [
    "ANON",
    "AS_A_TERMINAL",
    "CARRIED",
    "CODECS",
    "EXECUTABLE",
    "FS",
    "MACHINE",
    "SHMEM",
    "FakeSource",
    "capture",
    "entry",
    "in_process",
    "meminfo",
    "pack",
    "page",
    "running",
    "said_on_terminal",
    "snapshot_of",
    "spo_trace",
    "swaps",
    "tar_of",
]

CARRIED = Path(__file__).parents[1] / "fixtures" / "captures"
# Programs started with `&` ignore SIGINT, and with nohup SIGHUP; the tests' child processes would inherit that.
AS_A_TERMINAL = ("env", "--default-signal=INT,HUP")
EXECUTABLE = Path(sys.executable).with_name("spo-trace")

Files = Mapping[str, bytes]

# Stacks of one category each: anon, tmpfs/shmem, page cache.
ANON = (b"prep_new_page+0x1c/0x48", b"alloc_pages_mpol+0x98/0x157", b"do_anonymous_page+0x10/0x20")
SHMEM = (b"prep_new_page+0x1c/0x48", b"shmem_alloc_folio+0x5c/0x7f", b"shmem_get_folio_gfp+0x1/0x2")
FS = (b"prep_new_page+0x1c/0x48", b"page_cache_ra_unbounded+0x1/0x2", b"ext4_readpages+0x1/0x2 [ext4]")


def page(
    pfn: int = 0x100,
    order: int = 0,
    comm: bytes = b"dd",
    *,
    pid: int = 7,
    ts: int = 5,
    stack: Sequence[bytes] = ANON,
    tail: bytes = b"",
    swapped: bool = False,
    node: int = 0,
    flags: bytes = b"lru",
) -> bytes:
    """Return a page_owner record as Linux 7.2 prints it; `tail`: lines after the stack, `flags`: of the page."""
    mark = b" (swapped)" if swapped else b""
    return (
        b"Page allocated via order %d, mask 0xcc0(GFP_KERNEL), pid %d, tgid %d (%b), ts %d ns%b\n"
        % (order, pid, pid, comm, ts, mark)
        + b"PFN 0x%x type Movable Block %d type Movable Flags 0x8(%b|node=%d|zone=1)\n" % (pfn, pfn >> 9, flags, node)
        + b"".join(b" %b\n" % frame for frame in stack)
        + tail
        + b"\n"
    )


def entry(number: int, comm: bytes = b"dd", *, pid: int = 7, ts: int = 5, stack: Sequence[bytes] = SHMEM) -> bytes:
    """Return a swap_page_owner record."""
    head = b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry 0x%x\n" % (pid, pid, comm, ts, number)
    return head + b"".join(b" %b\n" % frame for frame in stack) + b"\n"


def meminfo(*, total: int = 1000, free: int = 900, swap_total: int = 0, swap_free: int = 0, page_kib: int = 4) -> bytes:
    """Return /proc/meminfo of a machine with these numbers of pages."""
    pages = {"MemTotal": total, "MemFree": free, "SwapTotal": swap_total, "SwapFree": swap_free}
    return b"".join(b"%b:  %d kB\n" % (name.encode(), n * page_kib) for name, n in pages.items())


def swaps(**used: int) -> bytes:
    """Return /proc/swaps with a device of 1000 pages for each name, and the number of used pages."""
    lines = (b"/dev/%b\tpartition\t4000\t%d\t-2\n" % (name.encode(), n * 4) for name, n in used.items())
    return b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + b"".join(lines)


# Files of a capture in addition to page_owner, so that nothing has to be assumed.
MACHINE: Files = {
    "uname": b"Linux box 7.2.13 #1 SMP Mon x86_64 GNU/Linux\n",
    "pagesize": b"4096\n",
    "boot_id": b"11111111-2222-3333-4444-555555555555\n",
    "uptime": b"100.00 1.00\n",
    "cmdline": b"page_owner=on\n",
    "pagetypeinfo": b"Page block order: 9\nPages per block:  512\n",
    "block_size_bytes": b"8000000\n",
}

CODECS = {"gz": "gzip", "xz": "xz", "zst": "zstd", "lz4": "lz4", "bz2": "bz2"}


def pack(content: bytes, suffix: str) -> bytes:
    """Return `content` compressed in the format of this suffix."""
    if suffix == "xz":
        import lzma

        return lzma.compress(content)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, CODECS[suffix]) as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def tar_of(files: Files) -> bytes:
    """Return a tar archive with these files, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def capture(directory: Path, files: Files) -> Path:
    """Write files below `directory`; names may contain directories."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def snapshot_of(directory: Path, files: Files, *, name: str = "x") -> Snapshot:
    """Return the snapshot of a flat capture with these files, made in `directory`."""
    source = CaptureSource([capture(directory / f"{name}.files", files)])
    return collect(source, directory / f"{name}.spo")


class FakeSource:
    """A source with files from memory, and with given problems and causes of missing files."""

    kind = "capture"

    def __init__(self, files: Files, *, problems: Mapping[str, str] | None = None, why: Why | None = None) -> None:
        """Set the files, problems by file, and the cause for missing files."""
        self._files = files
        self._problems = problems or {}
        self._why = why or Why(Missing.NOT_IN_CAPTURE, "not there")

    @property
    def options(self) -> dict[str, str]:
        """Return the options of the source."""
        return {"from": "memory"}

    def open(self, name: str) -> KernelText | None:
        """Return a file's text in two chunks."""
        if name not in self._files:
            return None
        content = self._files[name]
        half = len(content) // 2
        return KernelText(
            name, Chunks((content[:half], content[half:])), outcome=Outcome(problem=self._problems.get(name))
        )

    def why_missing(self, name: str) -> Why:
        """Return the cause for a missing file."""
        return self._why


def spo_trace(
    *arguments: object, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line like a user, in `cwd`, with its cache in there."""
    command = [str(EXECUTABLE), *map(str, arguments)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cwd / ".cache")} if env is None else dict(env)
    return subprocess.run(command, cwd=cwd, input=stdin, env=environment, capture_output=True, timeout=60, check=False)


def said_on_terminal(process: "subprocess.Popen[bytes]", ours: int, theirs: int) -> bytes:
    """Return what a process writes to a terminal (pty.openpty()) until it ends; close both descriptors."""
    os.close(theirs)
    said = b""
    # The end of a terminal is an error.
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            said += piece
    assert process.wait(60) == 0, said
    os.close(ours)
    return said


@contextmanager
def running(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command line in `cwd` as in a terminal, with its cache in there; kill it at the end of the block.

    `env` is added to this process's environment.
    """
    command = [*AS_A_TERMINAL, str(EXECUTABLE), *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cwd / ".cache"), **(env or {})}
    with subprocess.Popen(command, cwd=cwd, env=environment, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def in_process(*arguments: object, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command line like `spo_trace`, but in this process, without new imports; exceptions are propagated."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    command = ["spo-trace", *map(str, arguments)]
    with (
        chdir(cwd),
        patch.dict(os.environ, XDG_CACHE_HOME=str(cwd / ".cache"), SPO_TRACE_TRACEBACK="1"),
        patch.object(scratch, "_of_this_process", cache(scratch.Scratch)),
        patch.object(sys, "argv", command),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code: object = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code
        # main() wraps the streams, and Python flushes them at exit.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.detach().getvalue())
    return subprocess.CompletedProcess(command, code if isinstance(code, int) else 0, *texts)
