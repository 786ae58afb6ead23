# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of sites: the kernel's own counts of memory by the place that allocated it (/proc/allocinfo)."""

from spo_trace import schema
from spo_trace.collect.machine_facts import optional_content
from spo_trace.collect.read_log import ReadLog
from spo_trace.errors import SpoTraceError
from spo_trace.formats.allocinfo import FILE, is_allocinfo, parse_allocinfo
from spo_trace.formats.batch import to_batch
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.limits import MAX_SITES_BYTES
from spo_trace.snapshots.writer import SnapshotWriter
from spo_trace.sources.source import Source

__all__ = ["write_sites"]


def write_sites(source: Source, writer: SnapshotWriter, log: ReadLog, warnings: list[str]) -> bool:
    """Write the table of sites if `source` has allocinfo, and return whether it has sites.

    Raise SpoTraceError if they add up to too much memory.
    """
    content = optional_content(source, warnings, FILE)
    if not content:
        return False
    if not is_allocinfo(content):
        warnings.append(f"{FILE}: its version is unknown; it is left out")
        return False
    with log.reading(KernelText(FILE, Chunks([content]), len(content))) as counts:
        rows = list(parse_allocinfo(content, log.reject))
        if sum(abs(row.bytes) for row in rows) > MAX_SITES_BYTES:
            raise SpoTraceError(
                f"the sites of {FILE} add up to more memory than any machine has",
                hint="is the text damaged? Without this file, the rest can be read",
            )
        counts.records += len(rows)
        if rows:
            writer.write("sites", to_batch(schema.SITES, rows))
    return bool(rows)
