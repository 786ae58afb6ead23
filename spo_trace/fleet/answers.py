# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run a statement on the chosen snapshots of a fleet, and give its result the columns of an attribution."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from spo_trace.analysis.where import Condition
from spo_trace.fleet.choosing import Chosen
from spo_trace.fleet.engine import Engine, Input
from spo_trace.fleet.keys import FRAMES, FleetKey, Home, record_key
from spo_trace.fleet.reading import cube_reader
from spo_trace.fleet.root import Root
from spo_trace.fleet.stacks import Stacks
from spo_trace.fleet.statements import key_columns, statement, values_statement
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.dataframes import to_frame

__all__ = ["Source", "answer"]


@dataclass(frozen=True)
class Source:
    """Hold what every statement reads."""

    root: Root
    engine: Engine
    stacks: Stacks


def answer(
    source: Source, name: str, chosen: Chosen, condition: Condition, more: dict[str, pa.Table] | None = None
) -> pd.DataFrame:
    """Return the result of the statement `name`: the keys and key_known, then its other columns.

    `more`: further tables that the statement reads. Amounts are Int64; `stack` and `symbols` are tuples of frames.
    """
    keys = chosen.keys
    tables = dict(more or {})
    conditions = None
    if condition.text is not None:
        conditions = [record_key(one) for one in sorted(condition.names)]
        tables["matching"] = _matching(source, chosen, condition, conditions)
    tables |= _tables(source, chosen, [*keys, *(conditions or ())])
    found = to_frame(source.engine.query(statement(name, keys, source.engine.quoted, conditions=conditions), tables))
    return _named(found, keys, source.stacks)


def _tables(source: Source, chosen: Chosen, keys: Sequence[FleetKey]) -> dict[str, Input]:
    columns = {key.name for key in keys if key.home is Home.CUBE}
    if "memcg" in columns:
        columns.add("memcg_known")
    return {
        "cube": cube_reader(source.root, chosen.rows, columns),
        "chosen": chosen.table(),
        "stacks": source.stacks.table,
    }


# A condition is evaluated once for each distinct combination of its keys, by the code that all commands share.
def _matching(source: Source, chosen: Chosen, condition: Condition, keys: Sequence[FleetKey]) -> pa.Table:
    values = source.engine.query(values_statement(keys, source.engine.quoted), _tables(source, chosen, keys))
    frame = to_frame(values.slice(0))
    columns = dict(zip(key_columns(keys), keys, strict=True))
    operands = frame.astype({column: key.dtype for column, key in columns.items()})
    for column, key in columns.items():
        if key.name in FRAMES:
            operands[column] = source.stacks.with_text(operands[column])
    holds = condition.holds(operands.rename(columns={column: key.name for column, key in columns.items()}))
    return values.filter(pa.array(holds.to_numpy(bool), pa.bool_()))


def _named(found: pd.DataFrame, keys: Sequence[FleetKey], stacks: Stacks) -> pd.DataFrame:
    columns = dict(zip(key_columns(keys), keys, strict=True))
    types = {column: key.dtype for column, key in columns.items() if key.name not in FRAMES}
    table = found.astype({**types, KEY_KNOWN: "bool"})
    for column, key in columns.items():
        if key.name in FRAMES:
            table[column] = stacks.with_frames(table[column])
    return table.rename(columns={column: key.name for column, key in columns.items()})
