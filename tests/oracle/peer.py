# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's own page_owner_sort, built from Debian's linux-source package.

    python -m tests.oracle.peer build     # about 150 MB by apt-get download; needs gcc, dpkg-deb, xz
    python -m tests.oracle.peer           # print whether it is available

The newest package that apt offers is used, 6.12 or later. Tested: 6.12.117 of bookworm-security, whose results are
correct for the text of 7.2 (it ignores the PFN line and thus the 0x in it). Limitations of the tool:

- swap_page_owner: it finds no order and counts 0 pages, exit 0;
- comms with a newline: all of these become one group without a name;
- groups by stack only: the memcg line counts as part of the stack. stack_totals() corrects that.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

__all__ = ["available", "build", "comm_totals", "page_owner_sort", "stack_totals"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spo-trace" / "page_owner_sort"
BINARY = CACHE / "page_owner_sort"
OLDEST = (6, 12)


def available() -> str | None:
    """Return the reason why page_owner_sort cannot be used, None if it can."""
    if os.access(BINARY, os.X_OK):
        return None
    return f"no {BINARY}: build it with `python -m tests.oracle.peer build`"


def page_owner_sort(text_path: Path, *args: str) -> str:
    """Return the output of page_owner_sort for a page_owner text, with invalid UTF-8 as surrogates."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([BINARY, *args, text_path, out.name], stdout=subprocess.DEVNULL, check=True)
        return Path(out.name).read_text("utf-8", "surrogateescape")


def comm_totals(text_path: Path) -> dict[bytes, int]:
    """Return base pages by comm; correct if no comm contains a newline."""
    out = page_owner_sort(text_path, "-m", "--cull=name")
    rows = re.findall(r"^\d+ times, (\d+) pages, task_comm_name: (.*)$", out, re.MULTILINE)
    return {comm.encode("utf-8", "surrogateescape"): int(pages) for pages, comm in rows}


def stack_totals(text_path: Path) -> Counter[str]:
    """Return base pages by stack, with frames joined by ";"; merge groups that differ only in other lines."""
    out = page_owner_sort(text_path, "-m", "--cull=stacktrace")
    pages: Counter[str] = Counter()
    for group in re.split(r"^\d+ times, (?=\d+ pages:$)", out, flags=re.MULTILINE)[1:]:
        first, *lines = group.split("\n")
        stack = ";".join(line[1:] for line in lines if line.startswith(" "))
        pages[stack] += int(first.split()[0])
    return pages


def build() -> Path:
    """Download the kernel's source, extract the tool and compile it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    package = newest_package()
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        subprocess.run(["apt-get", "download", package], cwd=scratch, check=True)
        (deb,) = Path(scratch).glob("*.deb")
        source = CACHE / "page_owner_sort.c"
        source.write_bytes(extract(deb, package))
        (CACHE / "version").write_text(deb.stem + "\n")
    subprocess.run(["gcc", "-O2", "-o", BINARY, source], check=True)
    return BINARY


def newest_package() -> str:
    """Return the newest linux-source-X.Y that apt offers, if its tool is known to be correct."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb", "gcc", "xz"):
        if shutil.which(tool) is None:
            sys.exit(f"building page_owner_sort needs {tool}, which is not installed")
    names = subprocess.run(
        ["apt-cache", "search", "--names-only", "^linux-source-[0-9.]+$"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    versions = [(int(a), int(b)) for a, b in re.findall(r"^linux-source-(\d+)\.(\d+) ", names, re.MULTILINE)]
    newest = max(versions, default=(0, 0))
    if newest < OLDEST:
        sys.exit("apt offers no linux-source of 6.12 or newer")
    return "linux-source-{}.{}".format(*newest)


def extract(deb: Path, package: str) -> bytes:
    """Return page_owner_sort.c from a linux-source package."""
    pipeline = (
        f"dpkg-deb --fsys-tarfile {shlex.quote(str(deb))} | tar -xO ./usr/src/{package}.tar.xz"
        f" | tar -xJO {package}/tools/mm/page_owner_sort.c"
    )
    return subprocess.run(["sh", "-c", pipeline], capture_output=True, check=True).stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["build"]:
        build()
    print(available() or f"{BINARY}, {(CACHE / 'version').read_text().strip()}")
