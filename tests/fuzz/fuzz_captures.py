# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz captures: damaged tar archives, compressed files and directories must end in an answer or in one error.

    python tests/fuzz/fuzz_captures.py --seconds 60

Each input is read in a process with little memory, which is stopped if it takes too long. An answer must contain the
records before the damage. README.md describes how to repeat an input.
"""

import argparse
import gzip
import io
import multiprocessing
import os
import random
import resource
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Inputs per process: to start one takes longer than to read an input.
_PER_PROCESS = 200

# Memory that an input may take in addition to what a process has at its start, and its seconds. The largest that is
# allowed is the text of page_owner_stacks (128 MiB), which is copied once.
_MEMORY = 1 << 30
_SECONDS = 60

_RECORDS = 60

Make = Callable[[random.Random, Path], int]


def _page_owner() -> bytes:
    from tests.support import page

    return b"".join(page(pfn, ts=pfn * 7919) for pfn in range(1, _RECORDS + 1))


def _files() -> dict[str, bytes]:
    from tests.support import MACHINE, entry, meminfo, swaps

    others = {"meminfo": meminfo(), "swaps": swaps(vda=3), "zoneinfo": b"Node 0, zone   DMA\n  pages free     1\n"}
    return dict(MACHINE) | others | {"swap_page_owner": entry(1) + entry(2), "show_stacks.err": b"ENOENT: no file\n"}


def _compress(content: bytes, suffix: str) -> bytes:
    from tests.support import pack

    return pack(content, suffix) if suffix else content


def _damage(choose: random.Random, content: bytes, start: int = 0) -> bytes:
    data = bytearray(content)
    for _ in range(choose.choice((1, 1, 2, 8))):
        at = choose.randrange(start, len(data)) if start < len(data) else len(data) - 1
        kind = choose.randrange(6)
        if kind == 0:
            data[at] ^= 1 << choose.randrange(8)
        elif kind == 1:
            data[at : at + choose.randint(1, 600)] = choose.randbytes(choose.randint(0, 600))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = bytes(choose.choice((1, 511, 512, 1 << 16)))
        elif kind == 4:
            data[at : at + 12] = choose.choice((b"9" * 11, b"7" * 12, b"\x80" + b"\xff" * 11, b"-1", b"1\n" * 6))
        else:
            data += choose.choice((bytes(1 << 12), choose.randbytes(100), bytes(data)))
        if not data:
            break
    return bytes(data)


# Each of these writes an input to a directory, and returns how many records are before the damage.


def stream(choose: random.Random, at: Path) -> int:
    """Write a compressed file, damaged, truncated, padded, or with further members."""
    suffix = choose.choice(("gz", "xz", "bz2", "zst", "lz4"))
    packed = _compress(_page_owner(), suffix)
    kind = choose.randrange(4)
    path = at / f"page_owner.{suffix}"
    if kind == 0:
        path.write_bytes(packed + bytes(choose.choice((1, 4, 511, 1 << 16))))
        return _RECORDS
    if kind == 1:
        path.write_bytes(packed + _damage(choose, packed))
        return _RECORDS
    if kind == 2:
        # Without compression, each byte of the file is one of the text.
        whole = gzip.compress(_page_owner(), 0)
        size = choose.randrange(len(whole))
        (at / "page_owner.gz").write_bytes(whole[:size])
        return _page_owner()[: max(0, size - 15)].count(b"\n\n")
    path.write_bytes(_damage(choose, packed))
    return 0


def archive(choose: random.Random, at: Path) -> int:
    """Write a tar archive with page_owner first, and damage what follows it."""
    buffer = io.BytesIO()
    form = choose.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        _add(tar, "page_owner", _page_owner())
        end = buffer.tell()
        for name, content in _files().items():
            long = "d/" * choose.choice((0, 80, 600))
            headers = choose.choice(({}, {"comment": "x" * 900}, _sparse(choose)))
            with suppress(ValueError):
                _add(tar, long + name, content, headers if form == tarfile.PAX_FORMAT else {})
    plain = buffer.getvalue()
    if choose.random() < 0.5:
        plain = plain[:end] + _extended(choose) + plain[end:]
    start = end if choose.random() < 0.8 else 0
    suffix = choose.choice(("", "", "gz", "bz2", "zst"))
    (at / "capture.tar").write_bytes(_compress(_damage(choose, plain, start), suffix))
    # A damaged header can hide the file, and one that follows can have its name.
    return 0


def _add(tar: tarfile.TarFile, name: str, content: bytes, headers: dict[str, str] | None = None) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.pax_headers = headers or {}
    tar.addfile(member, io.BytesIO(content))


def _sparse(choose: random.Random) -> dict[str, str]:
    number = choose.choice((0, 1, 5, 1000))
    return {
        "GNU.sparse.major": choose.choice(("0", "1")),
        "GNU.sparse.minor": choose.choice(("0", "1")),
        "GNU.sparse.size": choose.choice(("10", "99999999999", "-1")),
        "GNU.sparse.map": ",".join(str(choose.randint(-9, 1 << 40)) for _ in range(2 * number)) or "0,0",
    }


def _extended(choose: random.Random) -> bytes:
    member = tarfile.TarInfo(choose.choice(("x", "page_owner", "meminfo")))
    member.type = choose.choice((b"L", b"K", b"x", b"g", b"X", b"S", b"0", b"1", b"2", b"3", b"6"))
    member.size = choose.choice((0, 5, 512, 1 << 20, 1 << 31, 1 << 40))
    header = member.tobuf(tarfile.GNU_FORMAT)
    body = choose.choice((b"", b"a" * 512, b"1" * 5120, b"30 mtime=1" + b"\n" * 502, choose.randbytes(512)))
    return (header + body) * choose.choice((1, 2, 50))


def directory(choose: random.Random, at: Path) -> int:
    """Write a directory in which files other than page_owner are replaced or damaged."""
    root = at / "capture"
    root.mkdir()
    (root / "page_owner").write_bytes(_page_owner())
    for name, content in _files().items():
        _replace(choose, root / name, content)
    return _RECORDS


def _replace(choose: random.Random, path: Path, content: bytes) -> None:
    kind = choose.randrange(10)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(choose.choice(("page_owner", "nothing", path.name, "/dev/zero", "/proc/self/mem", ".")))
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        path.touch()
    elif kind == 4:
        path.write_bytes(content)
        os.truncate(path, 1 << choose.choice((20, 30, 42)))
    elif kind == 5:
        path.write_bytes(_damage(choose, content))
    elif kind == 6:
        path.write_bytes(content * 5000)
    elif kind == 7:
        path.with_name(f"{path.name}.gz").write_bytes(_damage(choose, gzip.compress(content)))
    elif kind == 8:
        path.write_bytes(content.replace(b"\n", b""))
    else:
        path.write_bytes(content)


MAKERS: dict[str, Make] = {"stream": stream, "archive": archive, "directory": directory}


def check(kind: str, seed: int) -> str:
    """Read one input; return `read` or `refused`, raise AssertionError for an answer that lacks records."""
    from spo_trace.collect.snapshot import collect
    from spo_trace.errors import SpoTraceError
    from spo_trace.sources.capture import CaptureSource

    with tempfile.TemporaryDirectory(prefix="spo-trace-fuzz-") as scratch:
        at = Path(scratch)
        least = MAKERS[kind](random.Random(seed), at)
        (given,) = at.iterdir()
        try:
            snap = collect(CaptureSource([given]), at / "x.spo", jobs=1)
        except SpoTraceError:
            # With at least one record before the damage, there is an answer.
            assert least == 0, f"refused, but {least} records are undamaged"
            return "refused"
        rows = snap.pages.pfn.tolist()
        assert rows[:least] == list(range(1, least + 1)), f"{len(rows)} records, {least} undamaged"
        assert kind == "archive" or len(set(rows)) >= least
        return "read"


def _run(kind: str, first: int) -> None:
    import spo_trace.collect.snapshot  # noqa: F401  # its memory is not that of an input

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    for seed in range(first, first + _PER_PROCESS):
        # Kept by the kernel: a hang in C code ends too.
        signal.alarm(_SECONDS)
        try:
            check(kind, seed)
        except BaseException as error:
            print(f"repeat it: fuzz_captures.py --kind {kind} --seed {seed}: {error!r}", file=sys.stderr, flush=True)
            raise
    signal.alarm(0)


def _batches(seed: int) -> Iterator[tuple[str, int]]:
    while True:
        for kind in MAKERS:
            yield kind, seed
        seed += _PER_PROCESS


def main() -> None:
    """Fuzz, or repeat one input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=MAKERS, help="repeat the input of this kind and --seed instead of fuzzing")
    given = parser.parse_args()
    if given.kind:
        print(check(given.kind, given.seed))
        return
    end = time.monotonic() + given.seconds
    processes = multiprocessing.get_context("spawn")
    done = 0
    for kind, seed in _batches(given.seed):
        if time.monotonic() >= end:
            break
        child = processes.Process(target=_run, args=(kind, seed))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f"{kind}, seeds {seed} to {seed + _PER_PROCESS - 1}: ended with {child.exitcode}")
        done += _PER_PROCESS
    print(f"{done} captures in {given.seconds} s (seed {given.seed}): each gave an answer or an error")


if __name__ == "__main__":
    main()
