# SPDX-License-Identifier: LGPL-2.1-or-later
"""Find what is wrong in a fleet: files that are damaged or unused, hosts with one name, clocks that are wrong."""

from collections.abc import Iterator
from datetime import timedelta
from time import time

import pandas as pd
import pyarrow.compute as pc

from spo_trace.errors import SpoTraceError
from spo_trace.fleet.catalog import Catalog, Code, Problem
from spo_trace.fleet.choosing import machines_of
from spo_trace.fleet.hosts import shared_names
from spo_trace.fleet.identity import raw_name
from spo_trace.fleet.reading import rows_of
from spo_trace.fleet.root import RAW, Root
from spo_trace.fleet.store_errors import StoreFailed
from spo_trace.fleet.tables import TABLES
from spo_trace.reporters.format import counted

__all__ = ["COLUMNS", "MINOR", "problems_of", "unused_files", "unused_raw"]

COLUMNS = ["problem", "table", "file", "host", "detail"]

# Problems that change no answer.
MINOR = frozenset({Code.UNUSED, Code.NO_TIME, Code.NO_HOST})

# A snapshot is sent after it was taken; clocks of machines with NTP differ by less.
_CLOCK = timedelta(minutes=10)

# An `add` that is at work writes its files within seconds, and the file of the catalog last.
BUSY_SECONDS = 3600.0


def problems_of(root: Root, catalog: Catalog) -> pd.DataFrame:
    """Return a row for each problem: problem (a code), table, file, host, detail; all files are read as a whole."""
    rows = machines_of(catalog.rows)
    found = [
        *catalog.problems,
        *_damaged(root, catalog),
        *_unused(root, catalog),
        *_unused_raw(root, catalog),
        *_of_hosts(rows),
    ]
    values = [(str(one.code), one.table, one.file, one.host, one.detail) for one in found]
    return pd.DataFrame(values, columns=COLUMNS, dtype="string")


def unused_files(root: Root, catalog: Catalog) -> list[tuple[str, str]]:
    """Return the table and the name of each file of the cube and of the stacks that nobody reads, if it is old."""
    used = {"cube": set(catalog.rows["cube_file"].to_pylist()), "stacks": set(catalog.stacks)}
    used["snapshots"] = set(catalog.files)
    for one in catalog.problems:
        if one.table != "cube" or one.code is Code.DAMAGED:
            used[one.table].add(one.file)
    # What a file of the catalog names that cannot be read now is needed when it is repaired, or by a newer release.
    unread = any(one.table == "snapshots" for one in catalog.problems)
    now = time()
    return [
        (table, name)
        for table in TABLES
        if not (table == "cube" and unread)
        for name, found in sorted(root.files(table).items())
        if name not in used[table] and now - found.written > BUSY_SECONDS
    ]


def unused_raw(root: Root, catalog: Catalog) -> list[str]:
    """Return the names of whole snapshots, and of parts of snapshots, that are in no catalog, if they are old."""
    if any(one.is_loss for one in catalog.problems):
        return []
    used = {raw_name(id) for id in catalog.rows["id"].to_pylist()}
    now = time()
    kept = sorted(root.raw.kept().items())
    return [name for name, written in kept if name not in used and now - written > BUSY_SECONDS]


def _unused_raw(root: Root, catalog: Catalog) -> Iterator[Problem]:
    for name in unused_raw(root, catalog):
        yield Problem(Code.UNUSED, RAW, name, None, "no snapshot of the catalog; compact removes it")


def _unused(root: Root, catalog: Catalog) -> Iterator[Problem]:
    for table, name in unused_files(root, catalog):
        yield Problem(Code.UNUSED, table, name, None, "nobody reads it; compact removes it")


# Also the checksums of all pages are compared.
def _damaged(root: Root, catalog: Catalog) -> Iterator[Problem]:
    known: set[str] = set()
    root.expect("stacks", catalog.stacks)
    for name in catalog.stacks:
        try:
            for rows in rows_of(root, "stacks", name):
                known.update(rows["stack"].to_pylist())
        except StoreFailed:
            raise
        except SpoTraceError as error:
            yield Problem(Code.DAMAGED, "stacks", name, None, error.message)
    cubes = sorted(set(catalog.rows["cube_file"].to_pylist()))
    root.expect("cube", cubes)
    for name in cubes:
        try:
            found = {one for rows in rows_of(root, "cube", name) for one in pc.unique(rows["stack"]).to_pylist()}
        except StoreFailed:
            raise
        except SpoTraceError as error:
            yield Problem(Code.DAMAGED, "cube", name, None, error.message, is_loss=True)
            continue
        if missing := len(found - known):
            yield Problem(Code.STACK_MISSING, "cube", name, None, f"the frames of {missing:,} stacks are in no file")


def _of_hosts(rows: pd.DataFrame) -> Iterator[Problem]:
    for name in shared_names(rows):
        yield Problem(Code.SHARED_NAME, "snapshots", None, name, "boots overlap: several machines have this name")
    for _, own in rows.groupby("host", dropna=False):
        first = own["host"].iloc[0]
        host = None if pd.isna(first) else str(first)
        if host is None:
            yield Problem(
                Code.NO_HOST, "snapshots", None, None, f"{counted(len(own), 'snapshot')} without a name of the host"
            )
        ahead = (own["taken_at"] - own["received_at"]).max()
        if pd.notna(ahead) and ahead > _CLOCK:
            yield Problem(Code.CLOCK, "snapshots", None, host, f"taken {ahead.round('s')} after it was added")
        if lacking := int(own["taken_at"].isna().sum()):
            detail = f"{counted(lacking, 'snapshot')} without a time: the time of adding counts"
            yield Problem(Code.NO_TIME, "snapshots", None, host, detail)
