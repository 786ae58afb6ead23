# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engines of a fleet."""

import numpy as np
import pyarrow as pa
import pytest

from spo_trace.errors import UsageError
from spo_trace.fleet.engine import DuckDB, engine_of


def test_an_unknown_engine() -> None:
    with pytest.raises(UsageError, match="there is no engine 'sqlite'"):
        engine_of("sqlite")


# DuckDB does not know that the reader has more rows than the table.
def test_the_rows_of_a_reader_pass() -> None:
    batch = pa.record_batch({"id": np.arange(100_000) % 1000, "more": np.arange(100_000)})
    reader = pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(40)))
    groups = pa.table({"id": np.arange(1000), "name": np.arange(1000) % 7})
    engine = DuckDB()
    # The rows of the reader have 64 MB.
    engine.query("SET memory_limit = '30MB'", {})
    engine.query("SET temp_directory = ''", {})
    sql = "SELECT count(*) AS number FROM cube LEFT JOIN stacks ON cube.id = stacks.id WHERE name = 3 OR more >= 0"
    assert engine.query(sql, {"cube": reader, "stacks": groups})["number"].to_pylist() == [4_000_000]
    engine.close()
