# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make a large fleet without its snapshots: the cube of each is computed with numpy, and its pages are never written.

python -m tests.bench.fleet_cubes HOSTS ROWS DIRECTORY writes DIRECTORY/fleet and DIRECTORY/truth.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.fleet.cube import Cube
from spo_trace.fleet.entry import Given, entry_of, entry_table
from spo_trace.fleet.local_root import LocalRoot
from spo_trace.fleet.tables import CUBE, STACKS
from tests.bench.fleet_machines import DAYS, Machines

__all__ = ["cube_rows", "main"]


def main(hosts: int, rows: int, directory: Path) -> None:
    """Write what `fleet add` writes for the snapshots of these machines."""
    machines = Machines(hosts, rows)
    root = LocalRoot.open(directory / "fleet", create=True)
    stacks = pa.concat_tables(_stacks(machines, day) for day in range(len(DAYS)))
    root.write("stacks", f"{0:032x}.parquet", stacks)
    for host in range(hosts):
        for day in range(len(DAYS)):
            id = f"{host * len(DAYS) + day:032x}"
            cube = cube_rows(machines, host, day)
            size = root.write("cube", f"{id}.parquet", cube.add_column(0, CUBE[0], pa.repeat(id, cube.num_rows)))
            found = Cube(cube, stacks, "", [], [], swap_cache_known=True)
            given = Given(labels={"role": machines.role(host)})
            entry = entry_of(machines.meta(host, day), found, given, id=id, cube_bytes=size)
            root.write("snapshots", f"{id}.parquet", entry_table(entry))
    (directory / "truth.json").write_text(json.dumps(machines.truth))


def cube_rows(machines: Machines, host: int, day: int) -> pa.Table:
    """Return the cube of one snapshot without its id, in another order than `cube_of` returns it."""
    pages, swapped = machines.pages[host, day], machines.swapped[host, day]
    # Of the pages of a stack, every second one is in zone 1; the first one is where the stack before ended.
    begin = np.cumsum(pages) - pages
    odd = (begin + pages) // 2 - begin // 2
    parts = [
        _rows(machines, day, host, pages - odd, zone=0),
        _rows(machines, day, host, odd, zone=1),
        _rows(machines, day, host, swapped, zone=None),
    ]
    return pa.concat_tables(parts)


def _rows(machines: Machines, day: int, host: int, numbers: "npt.NDArray[np.int64]", *, zone: int | None) -> pa.Table:
    stacks = np.flatnonzero(numbers)
    amounts, number, in_memory = pa.array(numbers[stacks]), len(stacks), zone is not None
    hashes = pa.array(machines.hashes(day), pa.string())
    values = {
        "stack": hashes.take(pa.array(stacks)),
        "comm": pa.array([machines.comm(host, stack) for stack in stacks.tolist()], pa.string()),
        "memcg_known": pa.repeat(in_memory, number),
        "slab": pa.array(stacks % 2 == 1) if in_memory else pa.repeat(False, number),
        "swapped": pa.repeat(False, number),
        "records": amounts,
        "mem_pages" if in_memory else "swap_pages": amounts,
    }
    if in_memory:
        values |= {
            "memcg": pa.array([machines.memcg(stack) for stack in stacks.tolist()], pa.string()),
            "order": pa.repeat(0, number),
            "node": pa.repeat(0, number),
            "zone": pa.repeat(zone, number),
            "migratetype": pa.array([machines.migratetype(stack) for stack in stacks.tolist()], pa.string()),
            "swap_cache_pages": pa.repeat(0, number),
        }
    columns = pa.schema([field for field in CUBE if field.name != "snapshot"])
    arrays = [values.get(one.name, pa.nulls(number, one.type)) for one in columns]
    return pa.table(arrays, names=columns.names).cast(columns)


def _stacks(machines: Machines, day: int) -> pa.Table:
    return pa.table([machines.hashes(day), machines.frames(day)], schema=STACKS)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
