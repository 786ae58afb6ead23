# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics over HTTP: both formats, hostile clients, and addresses."""

import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.reporters.openmetrics import Metric, Sample
from spo_trace.sampling import metrics_server
from spo_trace.sampling.machine_metrics import LatestMetrics
from spo_trace.sampling.metrics_server import Address, MetricsServer, parse_address
from spo_trace.sampling.request_host import own_names

METRICS = [
    Metric("x_bytes", "bytes", "Memory", [Sample({"comm": 'a"b\\c'}, 1 << 52), Sample({"comm": "(rest)"}, 0)]),
    Metric("x_info", "", "About it", [Sample({"method": "text"}, 1)]),
    Metric("y_bytes", "bytes", "Unknown", []),
]
VALUES = {("x_bytes", 'a"b\\c'): 1 << 52, ("x_bytes", "(rest)"): 0, ("x_info", "text"): 1}


@contextmanager
def serving(latest: LatestMetrics, host: str = "127.0.0.1") -> Iterator[Address]:
    with MetricsServer(Address(host, 0), own_names(["Node1.example"])) as server:
        server.start(latest)
        yield server.address


@pytest.fixture
def address() -> Iterator[Address]:
    with serving(LatestMetrics(lambda: METRICS, 100)) as found:
        yield found


def asked(
    address: Address, path: str = "/metrics", *, method: str = "GET", accept: str = "*/*", **headers: str
) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=20)
    connection.request(method, path, headers={"Accept": accept, **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"] or "", text


def values(text: str, *, openmetrics: bool) -> dict[tuple[str, str], float]:
    families = (parse_openmetrics if openmetrics else parse_text)(text)
    return {(one.name, next(iter(one.labels.values()))): one.value for family in families for one in family.samples}


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.0.0", "text/plain"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/metrics?name[]=x_info", "/../../etc/passwd?%ff"])
def test_each_path_has_all_metrics_in_the_format_that_is_asked_for(address: Address, path: str, accept: str) -> None:
    status, kind, text = asked(address, path, accept=accept)
    assert status == 200
    assert kind.startswith(accept.partition(";")[0])
    assert values(text, openmetrics="openmetrics" in accept) == VALUES


@pytest.mark.parametrize(
    "accept", [f"application/openmetrics-text;{given}" for given in ("version=x", "version=9.0;escaping=y", ";=;")]
)
def test_any_version_gets_openmetrics_1_0(address: Address, capfd: pytest.CaptureFixture[str], accept: str) -> None:
    status, kind, text = asked(address, accept=accept)
    assert (status, values(text, openmetrics=True)) == (200, VALUES)
    assert "version=1.0.0" in kind
    assert capfd.readouterr() == ("", "")


def test_only_reading_is_allowed(address: Address) -> None:
    assert asked(address, method="POST")[0] == 405


def heads(address: Address, method: str, accept: str) -> tuple[int, dict[str, str], int]:
    """Return the status, the headers but the date, and the bytes that follow them."""
    request = f"{method} /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n"
    with socket.create_connection((address.host, address.port), timeout=20) as client:
        client.sendall(request.encode())
        head, _, body = b"".join(iter(lambda: client.recv(1 << 20), b"")).decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines if not line.startswith("Date")), len(body)


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.0.0", "text/plain"])
def test_head_has_the_headers_of_get_and_no_body(address: Address, accept: str) -> None:
    status, headers, size = heads(address, "GET", accept)
    assert (status, int(headers["Content-Length"])) == (200, size)
    assert size > 100
    assert heads(address, "HEAD", accept) == (200, headers, 0)


HOSTS = {
    "localhost": 200, "localhost:1": 200, "LOCALHOST.": 200, "x.localhost:9757": 200, "127.0.0.1": 200,
    "127.8.9.1:80": 200, "[::1]:9757": 200, "node1.EXAMPLE:9757": 200, "": 421, "evil.example": 421,
    "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "192.0.2.1:9757": 421, "[2001:db8::1]": 421,
    "2130706433": 421, "localhost,evil": 421, "evil@localhost": 421, "[": 421, "node2.example": 421,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_that_asks_for_another_site_gets_nothing(address: Address, method: str, host: str) -> None:
    status, _, text = asked(address, method=method, Host=host)
    assert status == HOSTS[host]
    assert ("x_bytes" in text) == (status == 200 and method == "GET")


def test_of_two_hosts_neither_counts(address: Address) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    with socket.create_connection((address.host, address.port), timeout=20) as client:
        client.sendall(request)
        assert b" 421 " in client.recv(100)


def test_another_site_causes_no_reading() -> None:
    # GIVEN a reading that is too old
    latest = LatestMetrics(lambda: METRICS, 0.01)
    sleep(0.1)
    # WHEN nothing reads the machine again, THEN the answer does not wait for that
    with serving(latest) as address:
        assert asked(address, Host="evil.example")[0] == 421


def test_whoever_asks_before_the_first_reading_waits_for_it() -> None:
    # GIVEN a server that listens, but has nothing to serve yet
    with MetricsServer(Address("127.0.0.1", 0), own_names([])) as server, ThreadPoolExecutor(1) as pool:
        early = pool.submit(asked, server.address)
        sleep(0.3)
        assert not early.done()
        # WHEN the machine was read, THEN there is an answer
        server.start(LatestMetrics(lambda: METRICS, 100))
        assert early.result(20)[0] == 200


def test_a_server_that_was_not_started_ends() -> None:
    with MetricsServer(Address("127.0.0.1", 0), own_names([])) as server:
        address = server.address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))


def test_there_are_no_metrics_if_the_machine_cannot_be_read() -> None:
    # GIVEN a machine that can be read once
    left = [METRICS]

    def read() -> Sequence[Metric]:
        if not left:
            raise SpoTraceError("secret of the log")
        return left.pop()

    latest = LatestMetrics(read, 0.2)
    threading.Thread(target=latest.renew, daemon=True).start()
    sleep(0.3)
    # WHEN it is asked for newer metrics, THEN Prometheus sees a failed scrape, and nothing of the cause
    with serving(latest) as address:
        status, _, text = asked(address)
    assert status == 503
    assert "secret" not in text


def test_clients_that_say_nothing_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN as many idle connections as are answered at a time
    monkeypatch.setattr(metrics_server, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(metrics_server, "_MAX_SECONDS", 0.5)
    with serving(LatestMetrics(lambda: METRICS, 100)) as address:
        idle = [socket.create_connection((address.host, address.port)) for _ in range(2)]
        idle[0].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        # WHEN another asks, THEN it gets an answer when they are cut off
        assert asked(address)[0] == 200
        for one in idle:
            one.close()


@pytest.mark.parametrize("request_start", [b"", b"GET /metrics HTTP/1.1\r\nX: "])
def test_a_silent_client_keeps_no_place(monkeypatch: pytest.MonkeyPatch, request_start: bytes) -> None:
    # GIVEN silent clients in all places, which a scrape would have for minutes
    monkeypatch.setattr(metrics_server, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(metrics_server, "_MAX_SILENCE", 0.3)
    with serving(LatestMetrics(lambda: METRICS, 100)) as address, ExitStack() as clients:
        for _ in range(2):
            silent = clients.enter_context(socket.create_connection((address.host, address.port)))
            silent.sendall(request_start)
        # THEN another client gets an answer soon
        assert asked(address)[0] == 200


def test_a_client_may_read_an_answer_slowly(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    # GIVEN an answer that does not fit into the buffers of a connection
    monkeypatch.setattr(metrics_server, "_MAX_SILENCE", 0.2)
    large = [Metric("x_bytes", "bytes", "Memory", [Sample({"comm": f"{number:0900}"}, 1) for number in range(9000)])]
    with (
        serving(LatestMetrics(lambda: large, 100)) as address,
        socket.create_connection((address.host, address.port), timeout=20) as client,
    ):
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        # WHEN the client reads it later, THEN it gets all of it
        sleep(1)
        lines = b"".join(iter(lambda: client.recv(1 << 20), b"")).splitlines()
    assert len([line for line in lines if line.startswith(b"x_bytes{")]) == 9000
    assert capfd.readouterr() == ("", "")


def test_the_server_ends_while_all_places_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN more clients than are answered at a time, which say nothing for minutes
    monkeypatch.setattr(metrics_server, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(metrics_server, "_MAX_SILENCE", 100)
    with ExitStack() as clients:
        with serving(LatestMetrics(lambda: METRICS, 100)) as address:
            for _ in range(4):
                clients.enter_context(socket.create_connection((address.host, address.port)))
            sleep(0.5)
            began = monotonic()
        # THEN its end does not wait for them
        assert monotonic() - began < 5


def test_many_ask_at_once(address: Address, capfd: pytest.CaptureFixture[str]) -> None:
    # GIVEN clients of which every other one leaves before the answer, or sends no HTTP
    def one(number: int) -> int:
        if number % 2:
            return asked(address)[0]
        with socket.create_connection((address.host, address.port)) as rude:
            rude.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" if number % 4 else b"\x16\x03\x01\x00\xff\r\n\r\n")
        return 0

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(40)))
    # THEN all others get an answer, and nothing is printed
    assert sorted(found) == [0] * 20 + [200] * 20
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_an_error(address: Address) -> None:
    with pytest.raises(SpoTraceError, match=f"can't listen on 127.0.0.1:{address.port}: Address already in use"):
        MetricsServer(address, own_names([]))


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6(tmp_path: object) -> None:
    try:
        with serving(LatestMetrics(lambda: METRICS, 100), "::1") as address:
            assert asked(address)[0] == 200
    except SpoTraceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("given", "expected", "is_loopback"),
    [
        ("9757", "127.0.0.1:9757", True),
        ("0", "127.0.0.1:0", True),
        ("127.0.0.2:65535", "127.0.0.2:65535", True),
        ("0.0.0.0:9757", "0.0.0.0:9757", False),
        ("[::1]:1", "[::1]:1", True),
        ("[::]:1", "[::]:1", False),
    ],
)
def test_addresses(given: str, expected: str, is_loopback: bool) -> None:
    assert (str(parse_address(given)), parse_address(given).is_loopback) == (expected, is_loopback)


@pytest.mark.parametrize(
    "given",
    [
        "",
        ":9757",
        "65536",
        "-1",
        "localhost:9757",
        "::1",
        "::1:9757",
        "[127.0.0.1]:1",
        "1.2.3.4",
        "[::1]",
        "٣",
        "1:2:3",
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="is not an address"):
        parse_address(given)
