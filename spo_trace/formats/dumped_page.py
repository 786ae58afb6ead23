# SPDX-License-Identifier: LGPL-2.1-or-later
"""One page of a dump, and the rows of its events."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from spo_trace.formats.rows import AggregateRow
from spo_trace.formats.stack_table import StackTable

__all__ = ["ALLOCATED", "FREED", "DumpedPage"]

ALLOCATED, FREED = "allocated", "freed"


@dataclass(slots=True)
class DumpedPage:
    """Hold what was printed of one page; None for what was not.

    `state`: ALLOCATED or FREED. `flag_names`: names, node and zone. `allocated`, `freed`: what each event has of its
    own. `frames`: the lines of the stack of each event.
    """

    state: str | None = None
    pfn: int | None = None
    flags: int | None = None
    flag_names: tuple[str | None, int | None, int | None] = (None, None, None)
    migrate_reason: str | None = None
    allocated: AggregateRow | None = None
    freed: AggregateRow | None = None
    frames: dict[str, list[bytes]] = field(default_factory=lambda: {ALLOCATED: [], FREED: []})

    def rows(self, stacks: StackTable) -> Iterator[AggregateRow]:
        """Yield the row of each event; without an allocation there is none, because its order is unknown."""
        if self.allocated is None:
            return
        order, free_ts_nsec = self.allocated.order, self.allocated.free_ts_nsec
        assert order is not None
        pages = {ALLOCATED: 1 << order, FREED: 0, None: None}[self.state]
        yield self._row(self.allocated, ALLOCATED, stacks)._replace(allocations=1, base_pages=pages)
        if self.freed is not None:
            freed = self._row(self.freed, FREED, stacks)
            ts_nsec = free_ts_nsec if freed.ts_nsec is None else freed.ts_nsec
            yield freed._replace(order=order, ts_nsec=ts_nsec, allocations=0, base_pages=0)

    def _row(self, own: AggregateRow, event: str, stacks: StackTable) -> AggregateRow:
        names, node, zone = self.flag_names
        return own._replace(
            pfn=self.pfn,
            page_flags=self.flags,
            page_flag_names=names,
            node=node,
            zone=zone,
            last_migrate_reason=self.migrate_reason,
            stack_id=stacks.intern(b"".join(line + b"\n" for line in self.frames[event])),
            event=event,
        )
