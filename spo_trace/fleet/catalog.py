# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the catalog of a fleet: the snapshots whose files are whole, and what is wrong with the others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spo_trace.fleet.identity import is_file_name
from spo_trace.fleet.root import Root, Stored
from spo_trace.fleet.tables import FLEET_VERSION, SNAPSHOTS, TABLES, VERSION_KEY
from spo_trace.snapshots.damage import Damage
from spo_trace.snapshots.parquet_input import check_footer, validated

__all__ = ["Catalog", "Code", "Problem", "check_file", "read_catalog", "read_file"]


class Code(StrEnum):
    """Kinds of problems of a fleet; programs compare these, never the text."""

    DAMAGED = "damaged-file"
    MISSING = "missing-file"
    NEWER = "newer-version"
    UNUSED = "unused-file"
    SHARED_NAME = "shared-name"
    CLOCK = "clock-skew"
    NO_TIME = "no-time"
    NO_HOST = "no-host"
    STACK_MISSING = "stack-missing"


class Problem(NamedTuple):
    """Say what is wrong with a file (`table`/`file`) or with a `host`; `is_loss`: a snapshot is skipped."""

    code: Code
    table: str
    file: str | None
    host: str | None
    detail: str
    is_loss: bool = False


@dataclass(frozen=True)
class Catalog:
    """Hold the snapshots of a fleet that can be read (`tables.SNAPSHOTS`, one row each), and all problems found.

    `files`: of the catalog. `stacks`: the files that have the frames of all stacks.
    """

    rows: pa.Table
    files: list[str]
    stacks: list[str]
    problems: list[Problem]

    @property
    def skipped(self) -> list[Problem]:
        """Return the problems for which snapshots are left out."""
        return [one for one in self.problems if one.is_loss]


# The errors of pyarrow for damaged files; some damaged footers make it raise errors of Python.
_WRONG = (Damage, OSError, pa.ArrowException, ValueError, OverflowError, LookupError, TypeError)


def read_catalog(root: Root, names: Iterable[str] | None = None) -> Catalog:
    """Read the catalog; files that are cut, damaged or of a newer version become problems, never errors.

    `names`: read only these files of the catalog.
    """
    problems: list[Problem] = []
    parts, used = [SNAPSHOTS.empty_table()], []
    given = sorted(filter(is_file_name, root.files("snapshots") if names is None else names))
    root.expect("snapshots", given)
    for name in given:
        try:
            parts.append(pa.concat_tables(read_file(root, "snapshots", name)))
            used.append(name)
        except _WRONG as error:
            problems.append(_problem("snapshots", name, error))
    rows = pa.concat_tables(parts).combine_chunks()
    present = root.files("cube")
    wrong = {cube: one for cube, size in _named(rows) if (one := _wrong_cube(cube, size, present)) is not None}
    problems += wrong.values()
    keep = pc.invert(pc.is_in(rows["cube_file"], pa.array(list(wrong), pa.string())))
    return Catalog(_each_once(rows.filter(keep)), used, [*_whole_stacks(root, problems)], problems)


def read_file(root: Root, table: str, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file; raise Damage, OSError or an error of pyarrow if it is not what it should be."""
    known = TABLES[table]
    wanted = known.names if columns is None else columns
    # A text that is in the file once, and is the value of many rows, then is in memory once.
    texts = [field for field in wanted if table == "cube" and pa.types.is_string(known.field(field).type)]
    with root.opened(table, name) as file:
        parquet = pq.ParquetFile(file, read_dictionary=texts, page_checksum_verification=True)
        _check(parquet, known, file.size())
        for number in range(parquet.num_row_groups):
            # Most files have a few kilobytes: threads would cost more than they save.
            found = parquet.read_row_group(number, columns=wanted, use_threads=False)
            yield validated(found).select(wanted)


def check_file(root: Root, table: str, name: str) -> None:
    """Check the footer of a file; raise Damage, OSError or an error of pyarrow if it is not what it should be."""
    with root.opened(table, name) as file:
        _check(pq.ParquetFile(file), TABLES[table], file.size())


class _Newer(Damage):
    """The file has a version that this release does not know."""


def _check(parquet: pq.ParquetFile, known: pa.Schema, size: int) -> None:
    columns = parquet.schema_arrow
    check_footer(parquet.metadata, columns, size)
    version = (columns.metadata or {}).get(VERSION_KEY, b"")
    if not version.isdigit() or len(version) > len("999999"):
        raise Damage("it is not a file of a fleet")
    if int(version) > FLEET_VERSION:
        raise _Newer(f"it has version {int(version)}, this release of spo-trace knows up to {FLEET_VERSION}: upgrade")
    types = dict(zip(columns.names, columns.types, strict=True))
    for field in known:
        if types.get(field.name) not in (field.type, pa.dictionary(pa.int32(), field.type)):
            raise Damage(f"there is no column {field.name} of type {field.type}")


def _problem(table: str, name: str, error: Exception) -> Problem:
    code = Code.NEWER if isinstance(error, _Newer) else Code.DAMAGED
    if isinstance(error, FileNotFoundError):
        code = Code.MISSING
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
    return Problem(code, table, name, None, detail, is_loss=True)


# After an interrupted `compact`, a snapshot is in two files, which say the same.
def _each_once(rows: pa.Table) -> pa.Table:
    first: dict[str, int] = {}
    for place, id in enumerate(rows["id"].to_pylist()):
        first[id] = place
    return rows.take(pa.array(sorted(first.values()), pa.int64()))


def _named(rows: pa.Table) -> list[tuple[str, int]]:
    return sorted(set(zip(rows["cube_file"].to_pylist(), rows["cube_bytes"].to_pylist(), strict=True)))


# A file that was cut, or of which half was copied, is shorter than the catalog says.
def _wrong_cube(name: str, size: int, present: dict[str, Stored]) -> Problem | None:
    if not is_file_name(name):
        return Problem(Code.DAMAGED, "snapshots", None, None, "it names a file that no fleet has", is_loss=True)
    if name not in present:
        return Problem(Code.MISSING, "cube", name, None, "the catalog names it", is_loss=True)
    if present[name].size != size:
        detail = f"it has {present[name].size:,} bytes, not {size:,}"
        return Problem(Code.DAMAGED, "cube", name, None, detail, is_loss=True)
    return None


# All files of stacks count: each row is compared with its hash, so that a file can add frames, but not change any.
def _whole_stacks(root: Root, problems: list[Problem]) -> Iterator[str]:
    names = sorted(filter(is_file_name, root.files("stacks")))
    root.expect("stacks", names)
    for name in names:
        try:
            check_file(root, "stacks", name)
            yield name
        except _WRONG as error:
            # Amounts stay right; the frames of some stacks are unknown.
            problems.append(_problem("stacks", name, error)._replace(is_loss=False))
