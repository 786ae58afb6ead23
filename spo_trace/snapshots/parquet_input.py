# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open an untrusted Parquet file, and bound what its footer makes a reader allocate."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.errors import SpoTraceError
from spo_trace.files.regular import open_regular
from spo_trace.limits import MAX_ROW_GROUP, MAX_ROWS_PER_BYTE, MAX_TABLE_BYTES
from spo_trace.snapshots.damage import Damage

__all__ = ["check_footer", "checked_footer", "open_parquet", "opened_again", "validated"]

# Where a process can open its own descriptors. An initramfs or a container may lack the links in /dev, and macOS has no
# /proc.
_DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))


def open_parquet(path: Path | str, parent: int | None = None) -> pa.NativeFile:
    """Open a regular file as `files.regular` does, for pyarrow; raise OSError, or SpoTraceError without /proc."""
    # A thread of pyarrow that releases a file of Python while the process exits would abort the process.
    with open_regular(path, parent) as file:
        return pa.OSFile(str(_path_of(file.fileno())))


def _path_of(fd: int) -> Path:
    for directory in _DESCRIPTORS:
        if (path := directory / str(fd)).exists():
            return path
    raise SpoTraceError(
        f"an open file can't be passed to pyarrow: there is neither {_DESCRIPTORS[0]} nor {_DESCRIPTORS[1]}",
        hint="mount /proc: mount -t proc proc /proc",
    )


def checked_footer(file: pa.NativeFile) -> pq.ParquetFile:
    """Return a file whose footer has been checked; raise Damage if the file can't have its rows or columns."""
    found = pq.ParquetFile(file)
    check_footer(found.metadata, found.schema_arrow, file.size())
    return found


def opened_again(file: pa.NativeFile, footer: pq.FileMetaData, dictionaries: Sequence[str]) -> pq.ParquetFile:
    """Return the file with columns at these paths as dictionaries; each page is compared with its CRC.

    Older versions of spo-trace wrote no CRC.
    """
    return pq.ParquetFile(file, metadata=footer, read_dictionary=dictionaries, page_checksum_verification=True)


def validated(rows: pa.Table) -> pa.Table:
    """Return `rows`, as read, without metadata; raise pa.ArrowInvalid if the columns are inconsistent."""
    # pandas' metadata is JSON, which to_pandas() would parse.
    rows = rows.replace_schema_metadata(None)
    rows.validate(full=True)
    return rows


def check_footer(footer: pq.FileMetaData, columns: pa.Schema, size: int) -> None:
    """Raise Damage if a file of `size` bytes can't have the rows or columns of its footer."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    rows = [group.num_rows for group in groups]
    if footer.num_rows != sum(rows) or any(number < 0 for number in rows):
        raise Damage(f"the numbers of rows contradict each other: {footer.num_rows:,} and {sum(rows):,}")
    if any(number > MAX_ROW_GROUP for number in rows) or footer.num_rows > size * MAX_ROWS_PER_BYTE:
        raise Damage(f"it claims {footer.num_rows:,} rows in {size:,} bytes")
    if any(group.total_byte_size > MAX_TABLE_BYTES for group in groups):
        raise Damage(f"it claims more than {MAX_TABLE_BYTES:,} bytes for some rows")
    twice = [name for name, number in Counter(columns.names).items() if number > 1]
    if twice:
        raise Damage(f"it has two columns {twice[0]}")
