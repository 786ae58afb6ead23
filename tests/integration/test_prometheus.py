# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Prometheus and a real node_exporter read the metrics; the dashboard's queries return data."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import spo_trace as spo
from spo_trace.analysis.metrics import snapshot_metrics
from spo_trace.collect.snapshot import collect
from spo_trace.sampling.machine_metrics import LatestMetrics
from spo_trace.sampling.metrics_server import Address, MetricsServer
from spo_trace.sampling.request_host import own_names
from spo_trace.snapshots.reader import Snapshot
from tests.collectors import this_machine, tree
from tests.oracle.awk import pages_by_comm
from tests.oracle.captures import read
from tests.prometheus import (
    WHY_NO_NODE_EXPORTER,
    WHY_NO_PROMETHEUS,
    Prometheus,
    fetched,
    node_exporter,
    prometheus,
    until,
)
from tests.support import CARRIED, MACHINE, entry, in_process, meminfo, page, snapshot_of, swaps

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "contrib" / "grafana" / "spo-trace.json").read_text())
SWAPPED = CARRIED / "7.2-spo" / "2-swapped"
PROCESSES = [(7, b"dd", 64), (8, b"cat", 32)]
HOSTILE = [b'a"} 1', b"back\\slash", b"two\nlines", b"(rest)", b"?", b""]

needs_prometheus = pytest.mark.skipif(WHY_NO_PROMETHEUS is not None, reason=str(WHY_NO_PROMETHEUS))


def with_owners(directory: Path) -> Snapshot:
    """Return a snapshot with owners of swap, hostile names and a date."""
    files = {
        **MACHINE,
        "page_owner": b"".join(page(64 << number, comm=name) for number, name in enumerate(HOSTILE)),
        "swap_page_owner": entry(0x1F),
        "swaps": swaps(sda=3),
        "date": b"2026-01-02T00:00:00+00:00\n",
    }
    return snapshot_of(directory, files)


def without_owners(directory: Path) -> Snapshot:
    """Return what was read of a machine like this one, which has bounds of swap in place of its owners."""
    listed = b"".join(b"Pid:\t%d\nName:\t%b\nVmSwap:\t%d kB\nStartTime:\t5\n\n" % one for one in PROCESSES)
    files = {
        "page_owner": page(tail=b"Charged to memcg web.slice\n"),
        "processes": b"Pid:\t2\nName:\tkthreadd\nStartTime:\t5\n\n" + listed,
        "cgroups": b"12 - /\n13 65536 /web.slice\n",
        "swaps": swaps(sda=3),
        "meminfo": meminfo(),
    }
    return snapshot_of(directory, {**MACHINE, **files}, name="bounds")


def of_a_live_machine(directory: Path) -> Snapshot:
    root = tree(directory / "root", {"page_owner": page(), "meminfo": meminfo()})
    return collect(this_machine(root), directory / "live.spo")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has scraped snapshots of several kinds."""
    directory = tmp_path_factory.mktemp("prometheus")
    snaps = {
        "swapped": spo.open(SWAPPED),
        "owners": with_owners(directory),
        "bounds": without_owners(directory),
        "live": of_a_live_machine(directory),
    }
    with ExitStack() as stack:
        targets = {}
        for job, snap in snaps.items():
            metrics = snapshot_metrics(snap, 20)
            latest = LatestMetrics(lambda metrics=metrics: metrics, 1000)  # type: ignore[misc]
            server = stack.enter_context(MetricsServer(Address("127.0.0.1", 0), own_names([])))
            server.start(latest)
            targets[job] = str(server.address)
        yield stack.enter_context(prometheus(directory, targets))


@needs_prometheus
def test_prometheus_has_what_awk_counts(scraped: Prometheus) -> None:
    counted = pages_by_comm(read(SWAPPED, "page_owner"), read(SWAPPED, "swap_page_owner"))
    for column, name in enumerate(("memory", "swap")):
        series = scraped.query(f'spo_trace_comm_{name}_bytes{{job="swapped"}}')
        found = {labels["comm"]: value for labels, value in series}
        own = {comm: value for comm, value in found.items() if comm != "(rest)"}
        assert own == {comm: counted[comm.encode()][column] * 4096 for comm in own}
        assert sum(found.values()) == sum(pages[column] for pages in counted.values()) * 4096


@needs_prometheus
def test_hostile_names_are_one_label_each(scraped: Prometheus) -> None:
    found = scraped.query('spo_trace_comm_memory_bytes{job="owners"}')
    assert {labels["comm"] for labels, _ in found} == {
        'a"} 1', "back\\\\slash", "two\\nlines", "\\050rest)", "\\077", '""', "dd",
    }  # fmt: skip
    assert {value for labels, value in found if labels["comm"] != "dd"} == {4096}


@needs_prometheus
def test_prometheus_takes_every_sample(scraped: Prometheus) -> None:
    # Series with equal labels would be dropped.
    kept, sent = (scraped.query(f"sum(scrape_samples_{name})") for name in ("post_metric_relabeling", "scraped"))
    assert kept[0][1] == sent[0][1] > 100


def queries() -> list[tuple[str, str]]:
    """Return the titles and the queries of the dashboard's panels."""
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


@needs_prometheus
@pytest.mark.parametrize(("title", "expression"), queries(), ids=[" ".join(one) for one in queries()])
def test_a_query_of_the_dashboard_has_data(scraped: Prometheus, title: str, expression: str) -> None:
    asked = expression.replace("$instance", ".+")
    assert "$" not in asked
    # The growth in an hour, in the seconds since the start; it needs two scrapes.
    until(lambda: bool(scraped.query(asked.replace("[1h]", "[1m]"))), lambda: f"{title}: {asked} has no data")


@needs_prometheus
def test_each_metric_is_in_the_dashboard(scraped: Prometheus) -> None:
    shown = " ".join(expression for _, expression in queries())
    names = {name for name in scraped.label_values("__name__") if name.startswith("spo_trace_")}
    assert len(names) > 15
    assert {name for name in names if f"{name}{{" not in shown and f"{name} " not in shown} == set()


@needs_prometheus
def test_the_instances_to_choose_from(scraped: Prometheus) -> None:
    variable = DASHBOARD["templating"]["list"][1]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
    assert len({labels[label] for labels, _ in scraped.query(metric)}) == 4


def test_the_dashboard_has_no_data_source_of_its_own() -> None:
    def sources(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "datasource" in value:
                yield value["datasource"]["uid"]
            for one in value.values():
                yield from sources(one)
        elif isinstance(value, list):
            for one in value:
                yield from sources(one)

    assert set(sources(DASHBOARD)) == {"${datasource}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(WHY_NO_NODE_EXPORTER is not None, reason=str(WHY_NO_NODE_EXPORTER))
def test_the_textfile_collector_reads_a_file(tmp_path: Path) -> None:
    # GIVEN a file as the timer writes it
    snap = with_owners(tmp_path)
    (tmp_path / "textfile").mkdir()
    done = in_process("metrics", snap.path, "-o", "textfile/spo-trace.prom", "--mode", "0644", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # WHEN node_exporter reads its directory
    with node_exporter(tmp_path / "textfile") as url:
        text = fetched(url)
    # THEN it has every series, and no error
    assert "\nnode_textfile_scrape_error 0\n" in text
    wanted = [line for line in spo.metrics(snap).splitlines() if not line.startswith("#")]
    names = {line.rpartition(" ")[0] for line in text.splitlines()}
    # It sorts labels.
    assert {line.rpartition(" ")[0] for line in wanted if "info" not in line} <= names
    assert "\nspo_trace_snapshot_info{" in text
