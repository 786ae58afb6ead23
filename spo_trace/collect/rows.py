# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the rows of pages and swap into a snapshot as they are parsed, and count them."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from spo_trace.collect.cost import CostMeter
from spo_trace.collect.listed_once import ListedOnce
from spo_trace.collect.memcg_paths import MEMCG_COLUMNS
from spo_trace.collect.read_log import ReadLog
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.formats.arrays import base_pages, values_of
from spo_trace.formats.text import KernelText
from spo_trace.limits import MAX_MEMORY_BYTES
from spo_trace.snapshots.meta import FileCounts
from spo_trace.snapshots.writer import SnapshotWriter

__all__ = ["RowWriter"]


class RowWriter:
    """Write rows to `writer`, restricted to the columns of `tables`; count them in `log` and, if live, in `cost`."""

    def __init__(
        self, writer: SnapshotWriter, log: ReadLog, tables: Mapping[str, pa.Schema], cost: CostMeter | None
    ) -> None:
        self._writer = writer
        self._log = log
        self._tables = tables
        self._cost = cost
        self._pages = {"pages": 0, "aggregates": 0, "swap": 0}

    def columns(self, table: str) -> set[str]:
        """Return the columns to parse: those that are written or needed for them, and ts_nsec, recorded as a range."""
        written = {*self._tables[table].names}
        return written | {"ts_nsec"} | (MEMCG_COLUMNS if "memcg_path" in written else frozenset())

    def write(self, table: str, text: KernelText, batches: Iterable[pa.RecordBatch]) -> None:
        """Write all rows of a table, which are parsed from `text`."""
        kept = set(self._tables[table].names)
        with self._log.reading(text) as counts:
            once = ListedOnce(table, counts)
            for batch in once.rows(batches):
                self._writer.write(table, batch.select([name for name in batch.schema.names if name in kept]))
                if self._cost and table == "pages":
                    self._cost.see(batch)
                counts.records += batch.num_rows
                orders = values_of(batch.column("order")) if table == "pages" else None
                self._pages[table] += batch.num_rows if orders is None else base_pages(orders)
                times = values_of(batch.column("ts_nsec"))
                # Early pages have time 0, which means unknown.
                if times.size and not times.min():
                    times = times[times > 0]
                if times.size:
                    counts.include_times(int(times.min()), int(times.max()))
                self._log.progress(text, counts)
            self._writer.finish(table)
            left_out, pages = once.finish(self._writer)
            counts.records -= left_out
            self._pages[table] -= pages

    def write_aggregates(self, counts: FileCounts, batches: Iterable[pa.RecordBatch]) -> None:
        """Write all rows of aggregates, and count them in `counts`."""
        for batch in batches:
            self._writer.write("aggregates", batch)
            counts.records += batch.num_rows
            self._pages["aggregates"] += int(values_of(batch.column("base_pages")).sum(dtype=object))
        self._writer.finish("aggregates")

    def check_total(self, page_size: int) -> None:
        """Raise SpoTraceError if the rows of a table add up to more memory than any machine has."""
        for table, pages in self._pages.items():
            if pages * page_size > MAX_MEMORY_BYTES:
                raise SpoTraceError(
                    f"the records of {table} add up to {pages:,} pages of {page_size:,} bytes: no machine has as much",
                    hint=("is the text damaged? A wrong page size can be replaced with ", Argument("page_size")),
                )
