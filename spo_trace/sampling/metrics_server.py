# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serve metrics to Prometheus over HTTP.

Nothing of a request is used but its host, which must be this machine, and the formats that it accepts: any path has all
metrics.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.sampling.machine_metrics import LatestMetrics
from spo_trace.sampling.request_host import is_for_this_machine
from spo_trace.version import INSTALL_METRICS

if TYPE_CHECKING:
    from spo_trace.reporters.openmetrics import Metric

__all__ = ["Address", "MetricsServer", "check_library", "parse_address"]

_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"(?:([0-9.]+):|\[([0-9a-fA-F:.]+)\]:)?([0-9]{1,5})")
_MAX_PORT = 0xFFFF

# A scrape takes milliseconds, or as long as a reading. Prometheus gives up after 10 seconds by default.
_MAX_CONNECTIONS = 16
_MAX_SECONDS = 300.0
_MAX_SILENCE = 10.0

# How long Ctrl-C may have to wait.
_POLL_SECONDS = 0.2

# prometheus_client fails on some versions that a client may ask for.
_OPENMETRICS = "application/openmetrics-text"

_MISDIRECTED = "the Host header must be localhost, or the address or a name of this server"

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Address(NamedTuple):
    """Hold a numeric IP address and a port; port 0 lets the kernel choose."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether only programs on this machine can connect."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address `PORT` (of loopback), `IPV4:PORT` or `[IPV6]:PORT`; raise UsageError for anything else."""
    match = _ADDRESS.fullmatch(text)
    if match is not None:
        ipv4, ipv6, port = match.groups()
        host = ipv4 or ipv6 or _LOOPBACK
        if _is_ip(host, 6 if ipv6 else 4) and int(port) <= _MAX_PORT:
            return Address(host, int(port))
    raise UsageError(
        (Argument("listen"), f": {text!r} is not an address"),
        hint="give a port of 127.0.0.1, such as 9757, or an address with a port: 192.0.2.1:9757, [::1]:9757",
    )


def _is_ip(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def check_library() -> None:
    """Raise SpoTraceError if prometheus_client is not installed."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError as error:
        problem = "metrics cannot be served: prometheus_client is not installed"
        raise SpoTraceError(problem, hint=INSTALL_METRICS) from error


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Answer in threads of their own, a bounded number at a time, each for a bounded time.

    It listens from the start. Those who ask before `start` wait for their answer.
    """

    daemon_threads = True
    request_queue_size = _MAX_CONNECTIONS

    def __init__(self, address: Address, names: frozenset[str]) -> None:
        """Listen for requests to an IP address of this machine or one of `names`; raise SpoTraceError if impossible."""
        self.names = names
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self._is_started = self._is_ending = False
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise SpoTraceError(
                f"can't listen on {address}: {error.strerror}", hint=("choose another one with ", Argument("listen"))
            ) from error
        self.address = Address(address.host, self.server_port)

    def start(self, latest: LatestMetrics) -> None:
        """Start to answer, in another thread."""
        self.set_app(_answering_head(_app(latest)))
        self._is_started = True
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, however many connections are open."""
        self._is_ending = True
        # Before the start, it would wait forever.
        if self._is_started:
            self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking the DNS for a name, as WSGIServer does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection; further ones wait in the kernel's queue while there are too many."""
        while not self._free.acquire(timeout=_POLL_SECONDS):
            if self._is_ending:
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and end a connection that stays open."""
        # A client that sends one byte now and then would keep its place for ever.
        limit = threading.Timer(_MAX_SECONDS, _hang_up, [request])
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what a client does wrong is not for this log."""


class _Handler(WSGIRequestHandler):
    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(_MAX_SILENCE)

    def parse_request(self) -> bool:
        is_valid = super().parse_request()
        # From here on, the limit of a connection applies: an answer may have to wait for a reading.
        self.connection.settimeout(None)
        if is_valid and not self._is_for_this_machine():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain=_MISDIRECTED)
            return False
        return is_valid

    def _is_for_this_machine(self) -> bool:
        assert isinstance(self.server, MetricsServer)
        local = str(self.connection.getsockname()[0])
        return is_for_this_machine(self.headers.get_all("Host", []), local, self.server.names)

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: Prometheus asks every few seconds."""


def _hang_up(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _app(latest: LatestMetrics) -> App:
    from prometheus_client import make_wsgi_app

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        metrics = latest.get()
        if metrics is None:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"this machine could not be read; the log of spo-trace has the reason\n"]
        app: App = make_wsgi_app(_Registry(metrics), disable_compression=True)
        accepted = f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in environ.get("HTTP_ACCEPT", "") else "text/plain"
        return app({**environ, "QUERY_STRING": "", "HTTP_ACCEPT": accepted}, start_response)

    return answer


# prometheus_client refuses HEAD, with which some monitors check whether a server answers.
def _answering_head(app: App) -> App:
    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start_response)
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        body = app({**environ, "REQUEST_METHOD": "GET"}, lambda *head: heads.append(head))
        ((status, headers),) = heads
        start_response(status, [*headers, ("Content-Length", str(sum(map(len, body))))])
        return []

    return answer


# What prometheus_client needs of a registry.
class _Registry:
    def __init__(self, metrics: "Sequence[Metric]") -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        for metric in self._metrics:
            family = GaugeMetricFamily(metric.name, metric.meaning, unit=metric.unit)
            for sample in metric.samples:
                family.add_sample(metric.name, dict(sample.labels), sample.value)
            if metric.samples:
                yield family
