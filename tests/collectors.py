# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collector in C and in Python, run on trees of files."""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from spo_trace.native import library
from spo_trace.sources.collected import CollectedSource
from spo_trace.sources.live import LiveSource
from spo_trace.sources.live_capture import LiveRequest, collect_capture
from spo_trace.sources.source import PATHS
from tests.support import Files, capture

__all__ = [
    "FAKE_KERNEL",
    "OF_RUN",
    "PYTHON",
    "SANITIZE",
    "collect",
    "collected",
    "collected_of",
    "compile_collector",
    "restored",
    "texts_of",
    "this_machine",
    "tree",
]

SOURCES = library.PATH.parent
FAKE_KERNEL = Path(__file__).parent / "unit" / "native" / "kernel_file.c"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
# When each file was read, and by which processes.
OF_RUN = ("reads", "pids")

_WRAPPED = ("open", "read", "pread", "lseek", "fstat")

_START = "import sys; sys.path.append(sys.argv[1]); from spo_trace.collector.main import main; main(sys.argv[2:])"
PYTHON = (sys.executable, "-I", "-S", "-c", _START, str(SOURCES.parents[1]))


def compile_collector(
    output: Path, *options: str, fake_kernel: bool = False, zlib: bool = True, compiler: str = "cc"
) -> tuple[str, ...]:
    """Compile the collector with additional `options`, and return the command that runs it.

    `fake_kernel`: page_owner is read as from debugfs (unit/native/kernel_file.c).
    """
    command = [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", str(output)]
    command += [*options, *map(str, sorted((SOURCES / "collect").glob("*.c"))), str(SOURCES / "strings.c")]
    if fake_kernel:
        command += [f"-Wl,--wrap={name}" for name in _WRAPPED] + [str(FAKE_KERNEL)]
    subprocess.run([*command, *(("-DSPO_ZLIB", "-lz") if zlib else ())], check=True)
    return (str(output),)


def tree(directory: Path, files: Files) -> Path:
    """Write files of PATHS below `directory`, laid out like the machine."""
    return capture(directory, {PATHS.get(name, name): content for name, content in files.items()})


def this_machine(root: Path, *, jobs: int = 1, stacks_timeout: float = 10.0) -> LiveSource:
    """Return the source of a machine whose files are copies below `root`."""
    return LiveSource(LiveRequest(jobs, stacks_timeout, root))


def collected(directory: Path, files: Files) -> CollectedSource:
    """Return what is collected of a machine with files of PATHS, in `directory`."""
    return collected_of(tree(directory / "root", files), directory)


def collected_of(root: Path, directory: Path) -> CollectedSource:
    """Return what is collected of the machine at `root`, in `directory`."""
    into = os.open(directory, os.O_RDONLY)
    try:
        collect_capture(this_machine(root).request, into)
    finally:
        os.close(into)
    return CollectedSource(directory / "capture", root)


def collect(
    command: Sequence[str], root: Path, target: Path, *options: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a collector on a tree of files."""
    return subprocess.run(
        [*command, *options, "-r", str(root), str(target)],
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=120,
        check=False,
    )


def texts_of(directory: Path) -> dict[str, bytes]:
    """Return the files of a capture, decompressed, without those about the run of the collector."""
    return {
        path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in directory.iterdir()
        if path.name not in OF_RUN
    }


def restored(directory: Path) -> dict[str, bytes]:
    """Return the records of a capture with their stacks in place of the collector's handles."""
    texts = texts_of(directory)
    stacks = dict(re.findall(rb"((?: .*\n)+)handle: (\d+)\n\n", texts["show_stacks_handles"]))
    lines = {number: stack for stack, number in stacks.items()}
    return {
        name: re.sub(rb"(?<=\n)handle: (\d+)\n", lambda handle: lines.get(handle[1], handle[0]), texts[name])
        for name in ("page_owner", "swap_page_owner")
        if name in texts
    }
