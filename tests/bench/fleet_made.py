# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make the snapshots and the fleet for `tests.bench.fleet`, in a process of its own: it loads numpy and pyarrow.

python -m tests.bench.fleet_made HOSTS ROWS DIRECTORY writes DIRECTORY/fleet, DIRECTORY/sample and DIRECTORY/truth.json.
"""

import json
import shutil
import sys
from pathlib import Path
from time import process_time

import spo_trace as spo
from tests.bench.fleet_machines import Machines

__all__ = ["main"]

# Snapshots that are kept, for a loop of `spo.attribute`.
SAMPLE = 20


def main(hosts: int, rows: int, directory: Path) -> None:
    """Make the fleet; snapshots that are not in the sample are removed at once, since they would fill the disk."""
    machines = Machines(hosts, rows)
    fleet = spo.fleet.open(directory / "fleet", create=True)
    sample = directory / "sample"
    sample.mkdir()
    seconds, size, kept = 0.0, 0, 0
    for host, _, path in machines.each(directory):
        size += sum(file.stat().st_size for file in path.iterdir())
        snap = spo.open(path)
        start = process_time()
        fleet.add(snap, labels={"role": machines.role(host)})
        seconds += process_time() - start
        if kept < SAMPLE:
            path.rename(sample / path.name)
            kept += 1
        else:
            shutil.rmtree(path)
    truth = {**machines.truth, "snapshot_bytes": size, "add_seconds": seconds}
    (directory / "truth.json").write_text(json.dumps(truth))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
