# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz the collector with damaged kernel memory and damaged plans: the rows that Python reads, or one error.

    python tests/fuzz/fuzz_memory.py --seconds 60

The collector in C is compiled with the address and undefined-behaviour sanitizers.
"""

import random
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from spo_trace.memory.kcore import KcoreImage  # noqa: E402  # found by the line above
from spo_trace.memory.owner_layout import find_owners  # noqa: E402
from spo_trace.memory.owners import PageOwners, collected_owners  # noqa: E402
from spo_trace.memory.page_rows import PageRows  # noqa: E402
from spo_trace.memory.swap_layout import find_swap_owners  # noqa: E402
from spo_trace.memory.swap_rows import SwapRows  # noqa: E402
from tests.collectors import SANITIZE, compile_collector  # noqa: E402
from tests.dumps import small_dump, small_kernel  # noqa: E402
from tests.fuzz.cases import Try, run_cases  # noqa: E402
from tests.fuzz.fuzz_dumps import damaged, pointers_in  # noqa: E402
from tests.row_files import kcore_tree, plan_of, read_rows  # noqa: E402

_NUMBERS = (0, 1, 7, 8, 0xFF, 0xFFF, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def prepare(directory: Path) -> Try:
    """Return the function that runs a case."""
    command = compile_collector(directory / "spo-collect", *SANITIZE)
    original = small_dump()
    pointers = pointers_in(original)
    root, target = directory / "root", directory / "x"

    def attempt(number: int) -> str | None:
        choose = random.Random(number)
        dump = original
        shutil.rmtree(target, ignore_errors=True)
        if choose.random() < 0.7:
            dump, _ = damaged(original, choose, pointers)
        plan = plan_of(kcore_tree(root, dump))
        given = _damaged_plan(plan, choose) if choose.random() < 0.5 else plan
        try:
            done = read_rows(command, root, given, target)
        except subprocess.TimeoutExpired:
            return "no end"
        if done.returncode not in (0, 1) or b"Sanitizer" in done.stderr or b"runtime error" in done.stderr:
            return f"exit status {done.returncode}: {done.stderr[-900:]!r}"
        return None if done.returncode or given != plan else _compared(root, target)

    return attempt


# Both read by the layout of the undamaged kernel.
def _compared(root: Path, target: Path) -> str | None:
    whole, owners = small_kernel(), collected_owners(target)
    with closing(KcoreImage(root / "proc/kcore")) as image:
        kernel = whole._replace(image=image)
        expected, lost = _all(PageRows(kernel, find_owners(whole)))
        swap = SwapRows(kernel, find_swap_owners(whole))
        entries = list(swap.rows())
    found, found_lost = _all(owners.pages)
    if (found, found_lost) != (expected, lost):
        return f"{len(found)} bytes of rows, {found_lost} lost, and not {len(expected)}, {lost}"
    assert owners.swap is not None
    # Python reads each node once.
    if list(owners.swap.rows()) != entries and not swap.lost:
        return f"other rows of swap than {len(entries)}"
    return None


def _all(pages: PageOwners) -> tuple[bytes, int]:
    rows = b"".join(some.tobytes() for some in pages.rows())
    return rows, pages.lost


def _damaged_plan(plan: bytes, choose: random.Random) -> bytes:
    if choose.random() < 0.2:
        at = choose.randrange(len(plan))
        return plan[:at] + choose.choice((b"", choose.randbytes(1))) + plan[at + choose.randrange(3) :]
    lines = plan.split(b"\n")
    for _ in range(choose.choice((1, 1, 2, 5))):
        # The numbers before the segments are more interesting.
        at = choose.randrange(2, min(len(lines) - 2, choose.choice((60, 1 << 20))))
        value = choose.choice(_NUMBERS) if choose.random() < 0.7 else choose.getrandbits(choose.choice((6, 12, 40, 64)))
        lines[at] = re.sub(rb"[0-9a-f]+$", b"%x" % value, lines[at])
    return b"\n".join(lines)


if __name__ == "__main__":
    run_cases(prepare, __doc__)
