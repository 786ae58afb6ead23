# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz dumps of memory: each ends in records or in one error, in bounded time and memory.

    python tests/fuzz/fuzz_dumps.py --seconds 60

A dump is damaged in its headers (bytes, cuts), or in the kernel's memory: words become other numbers, or pointers to
other places, and pages are left out.
"""

import random
import resource
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from spo_trace.errors import SpoTraceError  # noqa: E402  # found by the line above
from spo_trace.formats.text import Chunks, DelimitedRecords  # noqa: E402
from spo_trace.sources.dump import DumpSource  # noqa: E402
from tests.dumps import PAGE, Dump, elf, flattened, kdump, small_dump, zlib_page  # noqa: E402
from tests.fuzz.cases import Try, run_cases  # noqa: E402

_FILES = ("show_stacks_handles", "page_owner", "show_handles", "swap_page_owner", "zoneinfo", "swaps", "meminfo")
_FORMATS: tuple[Callable[[Dump], bytes], ...] = (
    kdump,
    elf,
    lambda dump: kdump(dump, zlib_page),
    lambda dump: flattened(kdump(dump)),
    lambda dump: elf(dump, overlap=True),
)
_NUMBERS = (0, 1, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
# The undamaged dump has 35,180 records of pages and 8,535 of swap.
_MOST_RECORDS = 200_000
# The undamaged dump takes 250 MB of address space, numpy and pyarrow included.
_MEMORY = 3 << 30


def prepare(directory: Path) -> Try:
    """Return the function that runs a case."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    original = small_dump()
    pointers = pointers_in(original)
    target = directory / "vmcore"

    def attempt(number: int) -> str | None:
        choose = random.Random(number)
        dump, how = original, "headers"
        if choose.random() < 0.7:
            dump, how = damaged(original, choose, pointers)
        data = choose.choice(_FORMATS)(dump)
        if how == "headers":
            data = _bytes(data, choose)
        target.write_bytes(data)
        try:
            records = sum(_records(DumpSource([str(target)])))
        except SpoTraceError as error:
            return None if error.hint else f"{how}: no hint: {error.message}"
        except BaseException as error:  # noqa: BLE001  # a bug is a result
            return f"{how}: {type(error).__name__}: {error}: {traceback.format_exc()[-900:]!r}"
        return None if records <= _MOST_RECORDS else f"{how}: {records:,} records"

    return attempt


def _records(source: DumpSource) -> list[int]:
    found = []
    for name in _FILES:
        text = source.open(name)
        match text.content if text else None:
            case Chunks(pieces):
                found.append(sum(1 for _ in pieces))
            case DelimitedRecords(runs):
                found.append(sum(len(run.ends) for run in runs))
    return found


def pointers_in(dump: Dump) -> list[int]:
    """Return addresses of kernel memory, to which damaged words may point."""
    words = [word for page in list(dump.pages.values())[::50] for word in struct.unpack("<512Q", page)]
    return sorted({word for word in words if word >> 47 == 0x1FFFF})


def damaged(dump: Dump, choose: random.Random, pointers: list[int]) -> tuple[Dump, str]:
    """Return a dump with other words, or without some pages, and what was changed."""
    pages, numbers = dict(dump.pages), sorted(dump.pages)
    if choose.random() < 0.2:
        lost = choose.sample(numbers, choose.choice((1, 5, 50, 500)))
        return replace(dump, pages={at: page for at, page in pages.items() if at not in set(lost)}), f"{len(lost)} lost"
    for _ in range(choose.choice((1, 1, 3, 30, 1000))):
        at = choose.choice(numbers)
        page = bytearray(pages[at])
        word = 8 * _word(page, choose)
        if choose.random() < 0.2:
            page[word] ^= 1 << choose.randrange(8)
        else:
            value = choose.choice(pointers) if choose.random() < 0.6 else choose.choice(_NUMBERS)
            page[word : word + 8] = struct.pack("<Q", value)
        pages[at] = bytes(page)
    if choose.random() < 0.1:
        return replace(dump, pages=pages, vmcoreinfo=_bytes(dump.vmcoreinfo, choose)), "words and VMCOREINFO"
    return replace(dump, pages=pages), "words"


# Half of the time a pointer, if the page has some: most other words are never looked at.
def _word(page: bytearray, choose: random.Random) -> int:
    words = struct.unpack("<512Q", page)
    pointers = [at for at, word in enumerate(words) if word >> 47 == 0x1FFFF]
    return choose.choice(pointers) if pointers and choose.random() < 0.5 else choose.randrange(PAGE // 8)


def _bytes(data: bytes, choose: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 3, 20))):
        # Headers and page descriptors are at the start.
        at = choose.randrange(min(len(changed), choose.choice((512, 9000, 1 << 20))))
        size = choose.choice((1, 4, 8))
        changed[at : at + size] = choose.choice((choose.randbytes(size), b"\xff" * size, bytes(size)))
    return bytes(changed) if choose.random() < 0.7 else bytes(changed[: choose.randrange(len(changed) + 1)])


if __name__ == "__main__":
    run_cases(prepare, __doc__)
