# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet as an object: the snapshots of many machines, and the questions about them."""

from collections.abc import Iterable, Mapping
from functools import cached_property

import pyarrow as pa

from spo_trace.analysis.where import Condition
from spo_trace.fleet.add import Adder, Outcome
from spo_trace.fleet.answers import Source
from spo_trace.fleet.catalog import Catalog, read_catalog
from spo_trace.fleet.choosing import Chosen, choose
from spo_trace.fleet.engine import Engine, engine_of
from spo_trace.fleet.entry import Given
from spo_trace.fleet.keys import FleetKey, fleet_keys, record_key
from spo_trace.fleet.report import report_of
from spo_trace.fleet.root import Root
from spo_trace.fleet.selection import Selection, parse_time
from spo_trace.fleet.stacks import Stacks, read_stacks
from spo_trace.reporters.notebook import Table
from spo_trace.snapshots.reader import Snapshot

__all__ = ["DEFAULT_KEY", "Fleet", "fleet_question"]

DEFAULT_KEY = "caller"


def fleet_question(by: str | Iterable[str], where: str | None) -> tuple[list[FleetKey], Condition]:
    """Return the keys and the condition of a question; raise UsageError if one of them is wrong."""
    condition = Condition(where)
    for name in sorted(condition.names):
        record_key(name)
    return fleet_keys(by), condition


class Fleet:
    """Answer questions about the snapshots below a directory; see `spo_trace.fleet.open`.

    The catalog and the stacks are read once: open the fleet again to see snapshots that were added by others.
    """

    def __init__(self, root: Root, engine: str = "duckdb") -> None:
        """Take an open directory; raise UsageError if there is no such engine."""
        self._root = root
        self._engine_name = engine

    def __repr__(self) -> str:
        return f"Fleet({str(self._root.path)!r}, snapshots={self.catalog.rows.num_rows})"

    @cached_property
    def catalog(self) -> Catalog:
        """Return the snapshots that can be read, and the problems of the others."""
        return read_catalog(self._root)

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self._engine_name)

    @cached_property
    def _stacks(self) -> Stacks:
        return read_stacks(self._root, self.catalog)

    @cached_property
    def _source(self) -> Source:
        return Source(self._root, self._engine, self._stacks)

    @cached_property
    def _adder(self) -> Adder:
        return Adder(self._root)

    def add(
        self,
        snap: Snapshot,
        *,
        host: str | None = None,
        time: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Add a snapshot, unless the fleet has it.

        `host`, `time` (ISO 8601, by default UTC): instead of what the snapshot says. `labels`: such as {"role": "web"}.
        Raise SpoTraceError for an aggregate, and if ROOT can't be written.
        """
        outcome = self._adder.add(snap, Given(host, None if time is None else parse_time(time, "time"), labels))
        for name in ("catalog", "_stacks", "_source"):
            self.__dict__.pop(name, None)
        return outcome

    def report(
        self,
        by: str | Iterable[str] = DEFAULT_KEY,
        *,
        where: str | None = None,
        at: str | None = None,
        window: str | None = None,
        only: Iterable[str] = (),
    ) -> Table:
        """Sum the memory and swap of all hosts by the keys `by`, largest total first.

        Of each host, the last snapshot counts (`at`: the last one up to this time), or with a `window`, such as 1d, the
        mean of the snapshots in it. Columns: the keys and key_known as for `attribute`, hosts (that have such memory),
        mem_bytes, swap_bytes, swap_cache_bytes, total_bytes and share. An amount is missing if it is unknown on all
        hosts. `where`: only records that match. `only`: only snapshots such as kernel=6.12*, host=web1, label.role=web.
        """
        chosen, condition = self.chosen(by, where, Selection.of(at, window, only))
        return Table(report_of(self._source, chosen, condition))

    def chosen(self, by: str | Iterable[str], where: str | None, selection: Selection) -> tuple[Chosen, Condition]:
        """Return the snapshots that a question is about, and its condition; raise UsageError if it is wrong."""
        keys, condition = fleet_question(by, where)
        return choose(self.catalog, selection, keys, condition.names), condition

    def sql(self, text: str) -> Table:
        """Return the result of a statement in SQL on the tables of `tables`.

        >>> fleet.sql("SELECT count(*) AS hosts FROM snapshots")
        """
        from spo_trace.snapshots.dataframes import to_frame

        return Table(to_frame(self._engine.query(text, self.tables())))

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables snapshots, cube and stacks (docs/fleet.md has their columns)."""
        raise NotImplementedError
