# SPDX-License-Identifier: LGPL-2.1-or-later
"""Add snapshots to a fleet: first their stacks, then the cube, then the file of the catalog, which names both."""

import re
from collections.abc import Mapping
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.fleet.catalog import read_catalog
from spo_trace.fleet.cube import cube_of
from spo_trace.fleet.entry import Given, entry_of, entry_table
from spo_trace.fleet.identity import is_file_name, is_id, snapshot_id
from spo_trace.fleet.reading import rows_of
from spo_trace.fleet.root import Root
from spo_trace.fleet.tables import CUBE
from spo_trace.limits import MAX_HOST_CHARACTERS, MAX_LABEL_CHARACTERS, MAX_LABELS
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Adder", "Outcome", "check_given"]

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Outcome(StrEnum):
    """Say what became of a snapshot."""

    ADDED = "added"
    PRESENT = "present"


class Adder:
    """Add snapshots to one fleet; the stacks that it has are read once.

    `add` may be called by several processes at a time: each writes files of its own.
    """

    def __init__(self, root: Root) -> None:
        """Read which snapshots and stacks the fleet has."""
        self._root = root
        # The name of a file with one snapshot is its id, so that only files that `compact` wrote have to be read.
        names = {name for name in root.files("snapshots") if is_file_name(name)}
        self._single = {name for name in names if is_id(name.removesuffix(".parquet"))}
        catalog = read_catalog(root, names - self._single)
        self._ids = set(catalog.rows["id"].to_pylist())
        self._stacks: set[str] = set()
        root.expect("stacks", catalog.stacks)
        for name in catalog.stacks:
            for rows in rows_of(root, "stacks", name, ["stack"]):
                self._stacks.update(rows["stack"].to_pylist())

    def add(self, snap: Snapshot, given: Given, *, keep_raw: bool = False) -> Outcome:
        """Add a snapshot, unless the fleet has it; raise SpoTraceError for an aggregate, or if ROOT can't be written.

        `given` is ignored for a snapshot that the fleet has. `keep_raw`: keep the snapshot itself, too, also of one
        that the fleet has.
        """
        check_given(given)
        cube = cube_of(snap)
        id = snapshot_id(cube.digest, snap.meta.machine)
        # As everything else, before the catalog.
        if keep_raw and not self._root.raw.has(id):
            self._root.raw.keep(id, snap.path)
        file = f"{id}.parquet"
        if self._has(id, file):
            return Outcome.PRESENT
        self._add_stacks(file, cube.stacks)
        rows = cube.rows.add_column(0, CUBE.field("snapshot"), pa.repeat(id, cube.rows.num_rows))
        size = self._root.write("cube", file, rows)
        entry = entry_of(snap.meta, cube, given, id=id, cube_bytes=size)
        self._root.write("snapshots", file, entry_table(entry))
        self._ids.add(id)
        return Outcome.ADDED

    # A snapshot whose files are not whole is added again.
    def _has(self, id: str, file: str) -> bool:
        if file in self._single and read_catalog(self._root, [file]).rows.num_rows:
            self._ids.add(id)
        return id in self._ids

    def _add_stacks(self, file: str, stacks: pa.Table) -> None:
        known = pc.is_in(stacks["stack"], pa.array(list(self._stacks), pa.string()))
        new = stacks.filter(pc.invert(known))
        if new.num_rows:
            self._root.write("stacks", file, new)
            self._stacks.update(new["stack"].to_pylist())


def check_given(given: Given) -> None:
    """Raise UsageError for a host or labels that a fleet does not take."""
    if given.host is not None and not 0 < len(given.host) <= MAX_HOST_CHARACTERS:
        raise UsageError(
            f"a host name has 1 to {MAX_HOST_CHARACTERS} characters", hint=("for example: ", Argument("host", "web1"))
        )
    _check_labels(given.labels or {})


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise UsageError(f"a snapshot has at most {MAX_LABELS} labels", hint="leave some out")
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or len(name) > MAX_LABEL_CHARACTERS:
            raise UsageError(
                f"{name[:60]!r} is not a name of a label", hint=("for example role=web, with ", Argument("labels"))
            )
        if not 0 < len(value) <= MAX_LABEL_CHARACTERS or not value.isprintable():
            hint = f"1 to {MAX_LABEL_CHARACTERS} printable characters"
            raise SpoTraceError(f"the label {name} has no valid value", hint=hint)
