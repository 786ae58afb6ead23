# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the rows of a snapshot's pages.parquet again, and print the seconds of processor time that writing took.

A snapshot of a text takes at least that, the start of Python and one pass over the text.
"""

import os
import sys
from pathlib import Path
from time import process_time

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace import schema
from spo_trace.snapshots.writer import parquet_options


def main() -> None:
    """Run from the command line: the argument is the file."""
    columns = schema.TABLES["pages"]
    names = [field.name for field in columns if pa.types.is_dictionary(field.type)]
    with pq.ParquetFile(Path(sys.argv[1]), read_dictionary=names) as file:
        groups = [
            file.read_row_group(number).cast(columns).unify_dictionaries().combine_chunks()
            for number in range(file.num_row_groups)
        ]
    # The first time, pyarrow also asks the system for memory.
    print(f"{min(_seconds(groups, columns) for _ in range(3)):.2f}")


def _seconds(groups: list[pa.Table], columns: pa.Schema) -> float:
    start = process_time()
    with (
        Path(os.devnull).open("wb") as nowhere,
        pq.ParquetWriter(nowhere, columns, **parquet_options(columns)) as writer,
    ):
        for rows in groups:
            writer.write_table(rows, row_group_size=rows.num_rows)
    return process_time() - start


if __name__ == "__main__":
    main()
