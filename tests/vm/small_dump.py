# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make a small dump for tests: only the pages that a reader touches, and the kernel's own text to compare with.

    python -m tests.vm.small_dump GUEST TO

GUEST: the output directory of jobs/memory.sh on a kernel with VMCOREINFO, with vmcore.kdump and captures. TO gets
vmcore.xz, page_owner.xz and swap_page_owner.xz: the records that the kernel printed equally before and after the dump.
"""

import lzma
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.physical import Physical
from spo_trace.memory.printed_formats import PrintedFormats, printed_formats
from tests.dumps import PAGE, Dump, kdump
from tests.vm.memory_records import KINDS, records

__all__ = ["Touched"]

# The kernel's format strings: of its constants, only the pages with these are kept.
STRINGS = (b"Page allocated via", b"PFN 0x%lx type")
FACTS = ("meminfo", "swaps")
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26}]


class Touched(Physical):
    """Read a dump, and keep the number of each page that is read."""

    def __init__(self, dump: Physical) -> None:
        """Have no pages yet."""
        self._dump = dump
        self.machine, self.vmcoreinfo, self.size = dump.machine, dump.vmcoreinfo, dump.size
        self.page_tables, self.five_levels = dump.page_tables, dump.five_levels
        self.pages: set[int] = set()

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of a physical range."""
        self.pages.update(range(address // PAGE, (address + size - 1) // PAGE + 1))
        return self._dump.pieces(address, size)

    def page(self, number: int) -> bytes:
        """Return a page, empty if the dump has none."""
        return b"".join(part for _, part in self._dump.pieces(number * PAGE, PAGE))

    def close(self) -> None:
        """Close the dump."""
        self._dump.close()


def touched_pages(dump: Touched) -> dict[int, bytes]:
    """Read everything once, and return the pages that were needed; constants without a format string are not."""
    kernel = kernel_of(dump)
    with patch("spo_trace.memory.page_owner.printed_formats", lambda _: PrintedFormats()):
        capture = MemoryCapture(kernel)
    for read in (capture.page_owner, capture.swap_page_owner, capture.show_stacks_handles, capture.show_handles):
        for _ in read():
            pass
    needed = set(dump.pages)
    dump.pages.clear()
    printed_formats(kernel)
    needed |= {number for number in dump.pages if any(text in dump.page(number) for text in STRINGS)}
    return {number: page for number in needed if (page := dump.page(number))}


def main(guest: str, to: str) -> None:
    """Write the small dump and the kernel's lists."""
    target = Path(to)
    target.mkdir(parents=True, exist_ok=True)
    with (Path(guest) / "vmcore.kdump").open("rb") as file:
        dump = Touched(open_dump(file))
        pages = touched_pages(dump)
        info = "".join(f"{name}={value}\n" for name, value in dump.vmcoreinfo.lines.items()).encode()
    small = kdump(Dump(pages, info))
    (target / "vmcore.xz").write_bytes(lzma.compress(small, filters=FILTERS))
    captures = Path(guest) / "captures"
    for name, kind in KINDS.items():
        first, last = (records((captures / stage / name).read_bytes(), name) for stage in ("before", "after"))
        steady = (
            b"Page allocated via " + kind[0] + text + b"\n"
            for number, text in first.items()
            if last.get(number) == text
        )
        (target / f"{name}.xz").write_bytes(lzma.compress(b"".join(steady), filters=FILTERS))
    for name in FACTS:
        shutil.copy(captures / "before" / name, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
