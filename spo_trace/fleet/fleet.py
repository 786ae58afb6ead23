# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet as an object: the snapshots of many machines, and the questions about them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import pandas as pd

from spo_trace.analysis.arguments import names_of, number_of
from spo_trace.analysis.where import Condition
from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.fleet.add import Adder, Outcome
from spo_trace.fleet.answers import Source
from spo_trace.fleet.catalog import Catalog, read_catalog
from spo_trace.fleet.check import problems_of
from spo_trace.fleet.choosing import Chosen, choose
from spo_trace.fleet.compact import Compacted, compact
from spo_trace.fleet.diff import Sides, diff_of, sides_of
from spo_trace.fleet.engine import Engine, Input, check_engine, engine_of
from spo_trace.fleet.entry import Given
from spo_trace.fleet.identity import is_id, raw_name
from spo_trace.fleet.keys import FleetKey, fleet_keys, record_key
from spo_trace.fleet.outliers import check_fold, check_outlier_keys, outliers_of
from spo_trace.fleet.reading import CubeRows, Vanished
from spo_trace.fleet.report import report_of
from spo_trace.fleet.root import Root
from spo_trace.fleet.selection import Selection, parse_time, side_of
from spo_trace.fleet.stacks import Stacks, read_stacks
from spo_trace.fleet.tables import CUBE
from spo_trace.reporters.notebook import Table
from spo_trace.snapshots.dataframes import to_frame
from spo_trace.snapshots.reader import Snapshot

__all__ = ["DEFAULT_KEY", "Fleet", "fleet_question"]

DEFAULT_KEY = "caller"

_IDS = "list them with: fleet.sql('SELECT id, host, taken_at FROM snapshots')"

# The properties of a fleet that hold what was read from its files.
_READ = ("catalog", "_stacks", "_source")


def fleet_question(by: str | Iterable[str], where: str | None) -> tuple[list[FleetKey], Condition]:
    """Return the keys and the condition of a question; raise UsageError if one of them is wrong."""
    condition = Condition(where)
    for name in sorted(condition.names):
        record_key(name)
    return fleet_keys(by), condition


class Fleet:
    """Answer questions about the snapshots below ROOT; see `spo_trace.fleet.open`.

    The catalog and the stacks are read once: open the fleet again to see snapshots that were added by others.
    """

    def __init__(self, root: Root, engine: str = "duckdb", master: str | None = None) -> None:
        """Take an open ROOT; raise UsageError if there is no such engine."""
        check_engine(engine, master)
        self.name = root.name
        self._root = root
        self._engine_given = engine, master

    def __repr__(self) -> str:
        return f"Fleet({self.name!r}, snapshots={self.catalog.rows.num_rows})"

    @cached_property
    def catalog(self) -> Catalog:
        """Return the snapshots that can be read, and the problems of the others."""
        return read_catalog(self._root)

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(*self._engine_given)

    @cached_property
    def _stacks(self) -> Stacks:
        return read_stacks(self._root, self.catalog)

    @cached_property
    def _source(self) -> Source:
        return Source(self._root, self._engine, self._stacks)

    @cached_property
    def _adder(self) -> Adder:
        return Adder(self._root)

    def add(
        self,
        snap: Snapshot,
        *,
        host: str | None = None,
        time: str | None = None,
        labels: Mapping[str, str] | None = None,
        keep_raw: bool = False,
    ) -> Outcome:
        """Add a snapshot, unless the fleet has it.

        `host`, `time` (ISO 8601, by default UTC): instead of what the snapshot says. `labels`: such as {"role": "web"}.
        `keep_raw`: keep the snapshot itself, too, for `raw`. Raise SpoTraceError for an aggregate, and if ROOT can't be
        written.
        """
        given = Given(host, None if time is None else parse_time(time, "time"), labels)
        outcome = self._adder.add(snap, given, keep_raw=keep_raw)
        self._forget(*_READ)
        return outcome

    def report(
        self,
        by: str | Iterable[str] = DEFAULT_KEY,
        *,
        where: str | None = None,
        at: str | None = None,
        window: str | None = None,
        only: Iterable[str] = (),
    ) -> Table:
        """Sum the memory and swap of all hosts by the keys `by`, largest total first.

        Of each host, the last snapshot counts (`at`: the last one up to this time), or with a `window`, such as 1d, the
        mean of the snapshots in it. Columns: the keys and key_known as for `attribute`, hosts (that have such memory),
        mem_bytes, swap_bytes, swap_cache_bytes, total_bytes and share. An amount is missing if it is unknown on all
        hosts. `where`: only records that match. `only`: only snapshots such as kernel=6.12*, host=web1, label.role=web.
        """
        selection = Selection.of(at, window, only)
        return Table(self._asked(lambda: report_of(self._source, *self.chosen(by, where, selection))))

    def chosen(self, by: str | Iterable[str], where: str | None, selection: Selection) -> tuple[Chosen, Condition]:
        """Return the snapshots that a question is about, and its condition; raise UsageError if it is wrong."""
        keys, condition = fleet_question(by, where)
        return choose(self.catalog, selection, keys, condition.names), condition

    def diff(
        self,
        a: Iterable[str],
        b: Iterable[str],
        by: str | Iterable[str] = DEFAULT_KEY,
        *,
        where: str | None = None,
        only: Iterable[str] = (),
        paired: bool = False,
    ) -> Table:
        """Compare two sides of the fleet, largest growth per host first.

        `a`, `b`: what each side has, such as ["kernel=6.12*"] or ["time=2026-11-29"]; `only`: what both have. Columns:
        the keys and key_known, hosts_a and hosts_b, mem_bytes, swap_bytes, swap_cache_bytes and total_bytes each as
        `_a`, `_b` and `_delta`, and per_host_bytes_delta, the change of the total on the mean host. `paired`: each host
        only against itself. Swap is missing unless both sides know it. Stacks are matched as by `spo.diff`: unless both
        sides have the same kernels, `symbols` or `common` replaces `stack`.
        """
        return Table(self._asked(lambda: diff_of(self._source, *self.sides(a, b, by, where, only, paired=paired))))

    def sides(
        self,
        a: Iterable[str],
        b: Iterable[str],
        by: str | Iterable[str],
        where: str | None,
        only: Iterable[str],
        *,
        paired: bool,
    ) -> tuple[Sides, Condition]:
        """Return the snapshots on both sides of a difference, and the condition."""
        keys, condition = fleet_question(by, where)
        both = Selection.of(only=only)
        given = side_of(names_of(a, "a"), "a", both), side_of(names_of(b, "b"), "b", both)
        return sides_of(self.catalog, *given, keys, condition, paired=paired), condition

    def outliers(
        self,
        by: str | Iterable[str] = DEFAULT_KEY,
        *,
        within: str | None = None,
        fold: str | None = None,
        where: str | None = None,
        at: str | None = None,
        window: str | None = None,
        only: Iterable[str] = (),
    ) -> Table:
        """Return hosts with far more of something than the others, most bytes first.

        With `within`, such as label.role, hosts with the same value are compared: columns that key, host, the keys,
        key_known, total_bytes, median_bytes and mad_bytes (of these hosts), above_bytes (above the median). Without it,
        what fewer than 5 % of the hosts have: host, the keys, key_known, hosts, total_bytes. In both cases, at least
        1 % of the host's memory. `fold`: what this regular expression matches in comm and memcg becomes `*`.
        """
        keys, _ = fleet_question(by, where)
        check_outlier_keys(keys, within)
        pattern, selection = check_fold(fold), Selection.of(at, window, only)
        return Table(
            self._asked(lambda: outliers_of(self._source, *self.chosen(by, where, selection), within, pattern))
        )

    def check(self) -> pd.DataFrame:
        """Read all files, and return the problems: problem (a code), table, file, host, detail."""
        return problems_of(self._root, self.catalog)

    def compact(self, keep_days: int | None = None) -> Compacted:
        """Merge the files of each day that is over, and remove unused files; `keep_days`: drop older snapshots."""
        done = compact(self._root, number_of(keep_days, "keep_days", least=1))
        self._forget(*_READ, "_adder")
        return done

    def raw(self, id: str) -> Snapshot:
        """Return a snapshot that was added with `keep_raw`; `id`: as in the table snapshots.

        From an object store, it is downloaded into a directory that is removed when the process ends. Raise
        SpoTraceError if it is not kept.
        """
        if not isinstance(id, str) or not is_id(id):
            raise UsageError((Argument("id"), f": {str(id)[:60]!r} is not an id"), hint=_IDS)
        if id not in self.catalog.rows["id"].to_pylist():
            raise SpoTraceError(f"the fleet has no snapshot {id}", hint=_IDS)
        return Snapshot(self._root.raw.fetched(id))

    def kept(self) -> dict[str, str]:
        """Return the place of each snapshot that is kept whole, by its id."""
        names = self._root.raw.kept()
        ids = [id for id in self.catalog.rows["id"].to_pylist() if raw_name(id) in names]
        return {id: self._root.raw.shown(id) for id in ids}

    def sql(self, text: str) -> Table:
        """Return the result of a statement on the tables snapshots, cube and stacks, in the engine's SQL."""
        cube = CubeRows(
            self._root, self.catalog.rows.select(["id", "cube_file"]).to_pandas(), CUBE.names, is_whole=True
        )
        return Table(to_frame(self._engine.query(text, {**self.tables(), "cube": cube})))

    def tables(self) -> dict[str, Input]:
        """Return the tables snapshots and stacks, and cube as a dataset, which an engine reads piece by piece."""
        files = sorted(set(self.catalog.rows["cube_file"].to_pylist()))
        return {
            "snapshots": self.catalog.rows,
            "cube": self._root.dataset("cube", files),
            "stacks": self._stacks.table,
        }

    # A file that `compact` removed meanwhile is in another one, which a new catalog names.
    def _asked(self, ask: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        try:
            return ask()
        except Vanished:
            self._forget(*_READ, "_adder")
            return ask()

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)
