# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Prometheus that scrapes on loopback, and node_exporter."""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

__all__ = ["WHY_NO_NODE_EXPORTER", "WHY_NO_PROMETHEUS", "Prometheus", "fetched", "node_exporter", "prometheus", "until"]

_PROMETHEUS = shutil.which("prometheus")
_NODE_EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")

# None if the program is available.
WHY_NO_PROMETHEUS = None if _PROMETHEUS else "needs prometheus (Debian: prometheus)"
WHY_NO_NODE_EXPORTER = None if _NODE_EXPORTER else "needs node_exporter (Debian: prometheus-node-exporter)"

_SECONDS = 60.0


class Prometheus:
    """Ask a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of each series that the expression has now."""
        found = self._get("query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def label_values(self, label: str) -> set[str]:
        """Return all values that a label has had."""
        return set(self._get(f"label/{label}/values"))

    def _get(self, path: str, **arguments: str) -> Any:
        try:
            return json.loads(fetched(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"))["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.read().decode()}") from error


@contextmanager
def prometheus(directory: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes `targets` (job → HOST:PORT) every second, and wait until each was scraped."""
    jobs = [
        {"job_name": job, "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))
    port = _free_port()
    options = [
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    assert _PROMETHEUS
    log = directory / "prometheus.log"
    found = Prometheus(f"http://127.0.0.1:{port}")
    with _started([_PROMETHEUS, *options], log):
        until(lambda: len(found.query("up == 1")) == len(targets), log.read_text)
        yield found


@contextmanager
def node_exporter(directory: Path) -> Iterator[str]:
    """Start a node_exporter that reads the .prom files of `directory`; yield its URL."""
    port = _free_port()
    options = [
        *("--collector.disable-defaults", "--collector.textfile"),
        f"--collector.textfile.directory={directory}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    assert _NODE_EXPORTER
    url, log = f"http://127.0.0.1:{port}/metrics", directory / "node_exporter.log"
    with _started([_NODE_EXPORTER, *options], log):
        until(lambda: bool(fetched(url)), log.read_text)
        yield url


def fetched(url: str) -> str:
    """Return the text at a URL of loopback."""
    # Without the proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return str(answer.read().decode())


def until(is_true: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until something is true of a program that may not answer yet; fail with the text of `why` if it never is."""
    end = monotonic() + _SECONDS
    while True:
        with suppress(OSError):
            if is_true():
                return
        assert monotonic() < end, why()
        sleep(0.2)


@contextmanager
def _started(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
