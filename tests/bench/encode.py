# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the rows of a snapshot's pages.parquet again, and print the seconds of processor time that writing took.

A snapshot of a text takes at least that, the start of Python and one pass over the text.
"""

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
            file.read_row_group(number).cast(columns).unify_dictionaries() for number in range(file.num_row_groups)
        ]
    start = process_time()
    with pq.ParquetWriter(pa.BufferOutputStream(), columns, **parquet_options(columns)) as writer:
        for rows in groups:
            writer.write_table(rows, row_group_size=rows.num_rows)
    print(f"{process_time() - start:.2f}")


if __name__ == "__main__":
    main()
