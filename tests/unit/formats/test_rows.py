# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows have the columns of the schema, in its order and types, and None only where it allows null."""

from typing import get_args, get_type_hints

import pyarrow as pa
import pytest

from spo_trace import schema
from spo_trace.formats.rows import PageRow, Row, StackRow, SwapRow


def python_type(kind: pa.DataType) -> type:
    """Return the Python type of a column's values."""
    if pa.types.is_list(kind):
        return list[str]
    if pa.types.is_boolean(kind):
        return bool
    return int if pa.types.is_integer(kind) else str


@pytest.mark.parametrize(("row", "table"), [(PageRow, schema.PAGES), (SwapRow, schema.SWAP), (StackRow, schema.STACKS)])
def test_a_row_has_the_columns_of_its_table(row: type[Row], table: pa.Schema) -> None:
    assert row._fields == tuple(table.names)
    for name, hint in get_type_hints(row).items():
        field = table.field(name)
        kinds = set(get_args(hint)) if type(None) in get_args(hint) else {hint}
        assert kinds - {type(None)} == {python_type(field.type)}, name
        assert (type(None) in kinds) is field.nullable, name
