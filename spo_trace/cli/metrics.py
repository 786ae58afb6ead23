# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace metrics."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated

from spo_trace.analysis.arguments import series_of
from spo_trace.cli.errors import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.options import Force, Jobs, Mode, Output, Owner, PageSize, Positional, StacksTimeout, option
from spo_trace.cli.output import access_of, check_output, note, opened, reading_progress, warn, warn_incomplete
from spo_trace.errors import UsageError
from spo_trace.sampling.machine_metrics import LatestMetrics, read_metrics
from spo_trace.sources.backends import default_jobs
from spo_trace.sources.live_capture import LiveRequest
from spo_trace.sources.memory_plan import check_method

if TYPE_CHECKING:
    from spo_trace.reporters.openmetrics import Metric
    from spo_trace.sampling.metrics_server import MetricsServer
    from spo_trace.snapshots.meta import Meta

__all__ = ["command"]

# Shorter than the usual minute between two scrapes: otherwise every other one would get the same reading again.
_MAX_AGE = 30.0

Input = Annotated[
    str | None,
    Positional("SNAPSHOT", "A snapshot (NAME.spo), crash dump or raw capture. Default: this machine, read now."),
]
Series = Annotated[
    int,
    option(
        "--top",
        shows="N",
        least=1,
        help="Owners of each key with a time series of their own, at most 1000. The rest is summed in one series.",
        default=True,
    ),
]
Listen = Annotated[
    str | None,
    option(
        "--listen",
        shows="ADDR",
        help="Serve the metrics over HTTP until Ctrl-C: a port of 127.0.0.1 (9757), IPV4:PORT or [IPV6]:PORT. Whoever "
        "can connect can read the names of processes and cgroups. Needs prometheus_client (extra: metrics).",
    ),
]
ServerName = Annotated[
    list[str] | None,
    option(
        "--server-name",
        shows="NAME",
        help="With --listen: another name by which clients ask for this machine. Its addresses, its host name and "
        "localhost are known; requests for other hosts get 421. Repeat it for several.",
    ),
]
MaxAge = Annotated[
    float | None,
    option(
        "--max-age",
        shows="SECONDS",
        least=1,
        help="With --listen: read this machine again when somebody asks and the last reading is older. Default: 30.",
    ),
]
LiveMethod = Annotated[
    str,
    option(
        "--method",
        shows="NAME",
        help="How this machine is read: memory, text or auto, as for snapshot.",
        default=True,
        values=("auto", "memory", "text"),
    ),
]


@guarded
def command(
    snapshot: Input = None,
    top: Series = 20,
    output: Output = None,
    listen: Listen = None,
    server_name: ServerName = None,
    max_age: MaxAge = None,
    method: LiveMethod = "auto",
    jobs: Jobs = None,
    stacks_timeout: StacksTimeout = 10.0,
    page_size: PageSize = None,
    owner: Owner = None,
    mode: Mode = None,
    force: Force = False,
) -> None:
    """Print memory and swap by owner as metrics for Prometheus.

    By comm, memcg, category and module, as OpenMetrics text that is also valid in the older text format. Without
    SNAPSHOT, reads this machine (as root). With -o, the file appears when it is complete, as the textfile collector of
    node_exporter needs it; give it --force to replace the file, and --mode 0644 so that node_exporter can read it.

    \b
        sudo spo-trace metrics -o /var/lib/prometheus/node-exporter/spo-trace.prom --force --mode 0644
        sudo spo-trace metrics --listen 9757
        spo-trace metrics now.spo --top 5
    """
    if listen is not None and (output is not None or owner is not None or mode is not None or force):
        raise UsageError("--listen writes no file", hint="leave out -o, --owner, --mode and --force, or --listen")
    if listen is None and (max_age is not None or server_name):
        needs = "--max-age" if max_age is not None else "--server-name"
        raise UsageError(f"{needs} needs --listen", hint="for example: spo-trace metrics --listen 9757 --max-age 30")
    access = access_of(owner, mode, output)
    check_output(output, force=force)
    top = series_of(top)
    check_method(method)
    request = LiveRequest(jobs or default_jobs(), stacks_timeout, method=method)
    if listen is not None:
        read = _reader(snapshot, _series(request), top, page_size)
        with _listening(listen, server_name or []) as server:
            _serve(server, LatestMetrics(read, _MAX_AGE if max_age is None else max_age))
        return
    metrics = _reader(snapshot, request, top, page_size, warn_incomplete)()
    from spo_trace.reporters.openmetrics import render_openmetrics

    with opened(output, force=force, access=access) as file:
        render_openmetrics(metrics, file)


# What does not change while the kernel runs is kept between readings.
def _series(request: LiveRequest) -> LiveRequest:
    from spo_trace.memory.planner import Planner

    return request._replace(planner=Planner())


# Without a snapshot, nothing large is loaded before this machine is read.
def _reader(
    snapshot: str | None,
    request: LiveRequest,
    top: int,
    page_size: int | None,
    check: "Callable[[Meta], None]" = lambda _: None,
) -> "Callable[[], Sequence[Metric]]":
    if snapshot is not None:

        @cache
        def read_once() -> "Sequence[Metric]":
            from spo_trace.analysis.metrics import metric_columns, snapshot_metrics

            return snapshot_metrics(open_snapshot(snapshot, metric_columns(), page_size=page_size), top)

        return read_once

    def read() -> "Sequence[Metric]":
        found, meta = read_metrics(request, top, page_size=page_size, progress=reading_progress())
        check(meta)
        return found

    return read


# Before the input is read, which takes seconds.
def _listening(listen: str, names: Sequence[str]) -> "MetricsServer":
    from spo_trace.sampling.metrics_server import MetricsServer, check_library, parse_address
    from spo_trace.sampling.request_host import own_names

    address, known = parse_address(listen), own_names(names)
    check_library()
    return MetricsServer(address, known)


def _serve(server: "MetricsServer", latest: LatestMetrics) -> None:
    server.start(latest)
    if not server.address.is_loopback:
        warn(f"whoever can connect to {server.address} can read the names of processes and memory cgroups")
    note(f"Serving http://{server.address}/metrics; Ctrl-C stops")
    try:
        while True:
            # In this thread, so that Ctrl-C ends a reading.
            latest.renew()
    except KeyboardInterrupt:
        # Ctrl-C is the normal end.
        note("")
