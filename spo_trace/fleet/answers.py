# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run a statement on the chosen snapshots of a fleet, and give its result the columns of an attribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from spo_trace.analysis.where import Condition
from spo_trace.errors import SpoTraceError
from spo_trace.fleet.choosing import Chosen
from spo_trace.fleet.engine import Engine, Input
from spo_trace.fleet.keys import FRAMES, FleetKey, Home, fleet_key, record_key
from spo_trace.fleet.reading import AMOUNTS, CubeRows
from spo_trace.fleet.root import Root
from spo_trace.fleet.stacks import Stacks
from spo_trace.fleet.statements import key_columns, statement, values_statement
from spo_trace.fleet.tables import CUBE
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.dataframes import to_frame

__all__ = ["Source", "answer", "stacks_in"]


@dataclass(frozen=True)
class Source:
    """Hold what every statement reads."""

    root: Root
    engine: Engine
    stacks: Stacks


def answer(source: Source, name: str, chosen: Chosen, condition: Condition) -> pd.DataFrame:
    """Return the result of the statement `name`: the keys and key_known, then its other columns.

    Amounts are Int64; `stack` and `symbols` are tuples of frames.
    """
    keys = chosen.keys
    tables: dict[str, Input] = {}
    conditions = None
    if condition.text is not None:
        conditions = [record_key(one) for one in sorted(condition.names)]
        tables["matching"] = _matching(source, chosen, condition, conditions)
    sql = statement(name, keys, source.engine.quoted, conditions=conditions)
    found = _run(source, sql, chosen, [*keys, *(conditions or ())], tables)
    return _named(to_frame(found), keys, source.stacks)


def stacks_in(source: Source, chosen: Chosen) -> list[tuple[str, ...]]:
    """Return the stacks of the chosen snapshots, each once, without those of which the fleet lacks the frames."""
    keys = [fleet_key("stack")]
    found = _run(source, values_statement(keys, source.engine.quoted), Chosen(chosen.rows, keys), keys)
    return [source.stacks.frames[id] for id in found["key_0"].to_pylist() if id is not None]


def _run(
    source: Source, sql: str, chosen: Chosen, keys: Sequence[FleetKey], more: Mapping[str, Input] | None = None
) -> pa.Table:
    cube = CubeRows(source.root, chosen.rows, _columns(keys))
    try:
        tables = {**(more or {}), "cube": cube, "chosen": chosen.table(), "stacks": source.stacks.table}
        return source.engine.query(sql, tables)
    except SpoTraceError:
        if cube.failures:
            raise cube.failures[0] from None
        raise


def _columns(keys: Sequence[FleetKey]) -> list[str]:
    wanted = {"snapshot", "stack", *AMOUNTS, *(key.name for key in keys if key.home is Home.CUBE)}
    if "memcg" in wanted:
        wanted.add("memcg_known")
    return [name for name in CUBE.names if name in wanted]


# A condition is evaluated once for each distinct combination of its keys, by the code that all commands share.
def _matching(source: Source, chosen: Chosen, condition: Condition, keys: Sequence[FleetKey]) -> pa.Table:
    values = _run(source, values_statement(keys, source.engine.quoted), chosen, keys)
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
