# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generate a page_owner file of any size in the format of Linux 7.2, and its expected totals.

    python -m tests.bench.generate --records 1000000 page_owner.txt    # about 730 MB; page_owner.txt.json beside it

The totals are counted from the random draws, not from the text. Stacks and comms follow Zipf's law; a third of the
records have a memcg line. The same seed gives the same bytes.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, NamedTuple

from spo_trace.simulator.printer import PAGE_FLAGS, PageRecord, memcg_line, page_flags_text, page_owner_record
from tests.bench.owners import Owner, Trace, owners, traces, zipf

__all__ = ["generate", "stack_hash", "truth_path"]

_BATCH = 1 << 12

_ORDERS = (0.93, 0.03, 0.012, 0.01, 0.008, 0.005, 0.002, 0.001, 0.001, 0.001)

# Lines of print_page_owner_memcg(): three in five records have none, one in three is charged.
_CHARGES = {"none": 0.6, "page": 0.25, "objcg": 0.08, "objexts": 0.07}

_REASONS = {b"": 0.95, b"compaction": 0.03, b"numa_misplaced": 0.015, b"memory_hotplug": 0.005}

_SWAPPED = 0.01

# Page flags that change during a page's life, in addition to those at allocation.
_STATES = [
    0,
    PAGE_FLAGS["referenced"],
    PAGE_FLAGS["active"],
    PAGE_FLAGS["referenced"] | PAGE_FLAGS["dirty"],
    PAGE_FLAGS["active"] | PAGE_FLAGS["workingset"],
]

# Their positions in page->flags on x86-64. Most pages have no CPU (-1); NUMA balancing sets it for some.
_LAST_CPUPID_SHIFT, _ZONE_SHIFT, _NODE_SHIFT = 30, 51, 54
_NO_CPUPID = 0x1FFFFF
_NR_CPUPIDS = 64
_NOTED = 0.05

# Zones DMA, DMA32 and Normal of x86 by their first page frame; node 1 starts after this share of the records.
_ZONES = ((1 << 20, 2), (1 << 12, 1), (0, 0))
_NODE_1 = 0.5

# Threads per process; share of pages whose migratetype equals that of their pageblock.
_THREADS = 8
_IN_ITS_BLOCK = 0.97

_FIRST_PFN = 0x100
_HOLES = [0, 0, 0, 0, 0, 1, 2, 7]
_UPTIME_NSEC = 30 * 86_400 * 10**9


def truth_path(text: Path) -> Path:
    """Return the path of the expected totals of a generated text."""
    return text.with_name(text.name + ".json")


def generate(text: Path, records: int, seed: int = 1) -> dict[str, Any]:
    """Write `text` and its totals in bounded memory, and return the totals; incomplete files are never left."""
    unfinished = text.with_name(text.name + ".tmp")
    with unfinished.open("wb") as file:
        truth = {"seed": seed} | _write(file, records, seed)
    truth_path(text).write_text(json.dumps(truth, indent=1) + "\n")
    unfinished.rename(text)
    return truth


def _write(file: BinaryIO, records: int, seed: int) -> dict[str, Any]:
    comms: Counter[bytes] = Counter()
    stacks: Counter[bytes] = Counter()
    for page in _Machine(Random(seed)).pages(records):
        file.write(page_owner_record(page))
        comms[page.comm] += 1 << page.order
        stacks[page.stack] += 1 << page.order
    return {
        "records": records,
        "bytes": file.tell(),
        "pages": comms.total(),
        "distinct_stacks": len(stacks),
        "comms": {comm.decode(): pages for comm, pages in sorted(comms.items())},
        "stacks": {stack_hash(_joined(stack)): pages for stack, pages in stacks.items()},
    }


def stack_hash(frames: str) -> str:
    """Return the key of a stack in the totals; `frames` are joined with ";", innermost first."""
    return hashlib.blake2b(frames.encode(), digest_size=12).hexdigest()


def _joined(stack: bytes) -> str:
    return ";".join(line[1:] for line in stack.decode().splitlines())


class _Draw(NamedTuple):
    """The random draws for one record."""

    trace: Trace
    owner: Owner
    order: int
    charge: str
    reason: bytes
    state: int
    cpupid: int
    hole: int


class _Machine:
    """Random pages of a machine, in the order of their page frames."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._traces, self._owners = traces(random), owners(random)
        self._zipfs = zipf(len(self._traces)), zipf(len(self._owners))
        noted = [random.randrange(_NO_CPUPID) for _ in range(_NR_CPUPIDS)]
        self._cpupids = {_NO_CPUPID: 1 - _NOTED} | dict.fromkeys(noted, _NOTED / _NR_CPUPIDS)

    def pages(self, records: int) -> Iterator[PageRecord]:
        """Yield the records of `records` allocations, aligned to their order, in ascending order of PFNs."""
        pfn = _FIRST_PFN
        for start in range(0, records, _BATCH):
            for number, draw in enumerate(self._draws(min(_BATCH, records - start)), start):
                size = 1 << draw.order
                pfn = -(-(pfn + draw.hole) // size) * size
                yield self._page(draw, pfn, int(number >= records * _NODE_1))
                pfn += size

    def _draws(self, count: int) -> Iterator[_Draw]:
        choices = self._random.choices
        columns = (
            choices(self._traces, cum_weights=self._zipfs[0], k=count),
            choices(self._owners, cum_weights=self._zipfs[1], k=count),
            choices(range(len(_ORDERS)), _ORDERS, k=count),
            *(choices(list(d), list(d.values()), k=count) for d in (_CHARGES, _REASONS)),
            choices(_STATES, k=count),
            choices(list(self._cpupids), list(self._cpupids.values()), k=count),
            choices(_HOLES, k=count),
        )
        return map(_Draw._make, zip(*columns, strict=True))

    def _page(self, draw: _Draw, pfn: int, node: int) -> PageRecord:
        trace, owner = draw.trace, draw.owner
        random = self._random.random
        kind = trace.migratetype
        flags = trace.flags | draw.state | (PAGE_FLAGS["head"] if draw.order else 0)
        return PageRecord(
            pfn=pfn,
            order=draw.order,
            gfp=trace.gfp,
            pid=owner.pid + int(random() * _THREADS),
            tgid=owner.pid,
            comm=owner.comm,
            ts_nsec=int(random() * _UPTIME_NSEC),
            free_ts_nsec=0,
            migratetype=kind,
            block_migratetype=kind if random() < _IN_ITS_BLOCK else b"Movable",
            flags=_flags_text(flags, node, _zone(pfn), draw.cpupid),
            stack=trace.stack,
            migrate_reason=draw.reason,
            memcg=_memcg_line(draw.charge, owner),
            swapped=random() < _SWAPPED,
        )


def _zone(pfn: int) -> int:
    return next(zone for first, zone in _ZONES if pfn >= first)


@lru_cache(maxsize=1 << 16)
def _flags_text(flags: int, node: int, zone: int, cpupid: int) -> bytes:
    whole = flags | cpupid << _LAST_CPUPID_SHIFT | zone << _ZONE_SHIFT | node << _NODE_SHIFT
    names = page_flags_text(flags, with_zone=False).partition(b"(")[2].removesuffix(b")")
    fields = b"node=%d|zone=%d|lastcpupid=%#x" % (node, zone, cpupid)
    return b"%#x(%b)" % (whole, b"|".join(filter(None, (names, fields))))


@lru_cache(maxsize=1 << 12)
def _memcg_line(charge: str, owner: Owner) -> bytes:
    return memcg_line(charge, owner.memcg, offline=owner.offline)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("text", type=Path, metavar="FILE")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    truth = generate(given.text, given.records, given.seed)
    print(f"{given.text}: {truth['records']:,} records, {truth['bytes']:,} bytes")


if __name__ == "__main__":
    main()
