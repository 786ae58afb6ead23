# SPDX-License-Identifier: LGPL-2.1-or-later
"""An object store for the tests of fleets: moto's S3, in a process of its own."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from pyarrow import fs

__all__ = ["S3", "give_credentials", "moto_s3"]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "hush-hush", "AWS_EC2_METADATA_DISABLED": "true"}

_START_SECONDS = 60


def give_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


class S3:
    """A running server; each bucket that it makes is a new one."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"127.0.0.1:{port}"
        self.options = f"?endpoint_override={self.endpoint}&scheme=http&region=us-east-1"
        self._numbers = itertools.count()
        # Not the client that is tested: it may create buckets, and takes the credentials here.
        self.client = fs.S3FileSystem(
            access_key="user",
            secret_key="hush-hush",
            region="us-east-1",
            scheme="http",
            endpoint_override=self.endpoint,
            allow_bucket_creation=True,
            allow_bucket_deletion=True,
        )

    def bucket(self) -> str:
        """Return the name of a new bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_dir(name)
        return name

    def url(self, bucket: str) -> str:
        """Return the URL of a fleet in a bucket."""
        return f"s3://{bucket}/some/fleet{self.options}"

    def objects(self, bucket: str) -> dict[str, int]:
        """Return the names of the objects in a bucket, and their sizes."""
        found = self.client.get_file_info(fs.FileSelector(bucket, recursive=True))
        return {info.path.partition("/")[2]: info.size for info in found if info.is_file}


@contextmanager
def moto_s3() -> Iterator[S3]:
    """Run a server; skip the test if moto is not installed."""
    if find_spec("moto") is None or find_spec("flask") is None:
        pytest.skip("moto is not installed: pip install 'moto[server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait(port, server)
            yield S3(port)
        finally:
            server.kill()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto's server did not start")
