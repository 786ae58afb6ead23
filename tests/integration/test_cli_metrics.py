# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace metrics: text, files for a textfile collector, and a server."""

import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

import spo_trace as spo
from tests.support import CARRIED, MACHINE, capture, in_process, page, running

SWAPPED = CARRIED / "7.2-spo" / "2-swapped"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a small capture."""
    capture(tmp_path / "now", {**MACHINE, "page_owner": page(1) + page(4, 2, comm=b"a\nb")})
    return tmp_path


def test_the_text_is_that_of_the_api(tmp_path: Path) -> None:
    done = in_process("metrics", SWAPPED, "--top", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == spo.metrics(SWAPPED, top=3)
    assert len(list(parse_openmetrics(done.stdout.decode()))) > 10  # type: ignore[no-untyped-call]


def test_a_file_is_replaced_as_a_whole(place: Path) -> None:
    # GIVEN the command as a timer runs it
    line = ("metrics", "now", "-o", "spo-trace.prom", "--mode", "0644")
    assert in_process(*line, cwd=place).returncode == 0
    target = place / "spo-trace.prom"
    first = target.stat()
    assert stat.S_IMODE(first.st_mode) == 0o644
    # WHEN the file exists, THEN it is kept without --force
    kept = in_process(*line, cwd=place)
    assert (kept.returncode, target.stat().st_ino) == (1, first.st_ino)
    assert b"spo-trace.prom exists\n  hint: replace it with --force" in kept.stderr
    # AND replaced with it by another file, not written in place, with nothing left that the collector would read
    with target.open() as reader:
        assert in_process(*line, "--force", cwd=place).returncode == 0
        assert target.stat().st_ino != first.st_ino
        assert reader.read() == target.read_text() == spo.metrics(place / "now")
    assert [path.name for path in place.iterdir() if path.name not in (".cache", "now")] == ["spo-trace.prom"]


def test_a_link_that_somebody_else_planted_is_not_followed(place: Path) -> None:
    (place / "passwd").write_text("root")
    (place / "spo-trace.prom").symlink_to("passwd")
    done = in_process("metrics", "now", "-o", "spo-trace.prom", "--force", cwd=place)
    assert done.returncode == 1
    assert b"spo-trace.prom is a symbolic link" in done.stderr
    assert (place / "passwd").read_text() == "root"


@contextmanager
def serving(place: Path, *arguments: object) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Serve on a free port; yield the URL, which the command prints."""
    with running("metrics", *arguments, "--listen", "0", cwd=place, stderr=subprocess.PIPE) as process:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(rb"Serving (http://127\.0\.0\.1:\d+/metrics); Ctrl-C stops", line):
                yield found[1].decode(), process
                return
        raise AssertionError("it did not start")


def test_a_capture_is_served_until_ctrl_c(place: Path) -> None:
    with serving(place, "now") as (url, process):
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert 'spo_trace_comm_memory_bytes{comm="a\\\\nb"} 16384.0' in answer.read().decode().splitlines()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr and process.stderr.read() == b"\n"


def test_systemd_stops_it_with_sigterm(place: Path) -> None:
    with serving(place, "now") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert process.stderr and process.stderr.read() == b""


def test_a_port_in_use_is_reported_before_the_input_is_read(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # It would be reported if it were read.
        done = in_process("metrics", "missing", "--listen", port, cwd=place)
    said = (
        f"error: can't listen on 127.0.0.1:{port}: Address already in use\n  hint: choose another one with --listen\n"
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().endswith(said)


def test_a_name_of_the_machine_can_be_given(place: Path) -> None:
    with serving(place, "now", "--server-name", "node1.example") as (url, _):
        for host, status in (("node1.example:9757", 200), ("evil.example", 421)):
            asked = urllib.request.Request(url, headers={"Host": host})
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(asked, timeout=20) as answer:
                assert answer.status == status == 200
                continue
            assert status == 421


def test_without_prometheus_client_it_says_how_to_get_it(place: Path) -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "sys.argv = ['spo-trace', 'metrics', 'now', '--listen', '0']\n"
        "from spo_trace import cli; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "error: metrics cannot be served: prometheus_client is not installed\n  hint: in a checkout" in done.stderr


MISTAKES = {
    "metrics now --listen localhost:1": (2, "--listen: 'localhost:1' is not an address", "give a port of 127.0.0.1"),
    # The address is checked before the input is read.
    "metrics missing --listen 65536": (2, "--listen: '65536' is not an address", "give a port of 127.0.0.1"),
    "metrics missing --listen 0 --server-name http://a": (2, "--server-name: 'http://a' is not a host name", "node1"),
    "metrics now --server-name a": (2, "--server-name needs --listen", "--listen 9757"),
    "metrics now --listen 9757 -o x.prom": (2, "--listen writes no file", "leave out -o"),
    "metrics now --listen 9757 --mode 0644": (2, "--listen writes no file", "leave out -o"),
    "metrics now --max-age 5": (2, "--max-age needs --listen", "--listen 9757 --max-age 30"),
    "metrics now --top 1001": (2, "--top must be from 1 to 1,000, not 1001", "time series"),
    "metrics now --mode 0644": (2, "--mode: no file is written", "-o"),
    "metrics now --method full": (2, "there is no method 'full'", "choose one of auto, memory, text"),
    "metrics nothing": (1, "nothing", ""),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes(place: Path, line: str) -> None:
    code, message, hint = MISTAKES[line]
    done = in_process(*line.split(), cwd=place)
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert message in said and hint in said
    assert done.stdout == b""


def test_a_snapshot_without_owners_has_no_metrics(tmp_path: Path) -> None:
    listed = b"allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n        4096        1 mm/slub.c:1 func:x\n"
    (tmp_path / "allocinfo").write_bytes(listed)
    done = in_process("metrics", "allocinfo", cwd=tmp_path)
    assert done.returncode == 1
    assert b"has no owners of memory or swap" in done.stderr
