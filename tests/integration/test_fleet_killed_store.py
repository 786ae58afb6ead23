# SPDX-License-Identifier: LGPL-2.1-or-later
"""`fleet add` and `fleet compact` on an object store are killed (SIGKILL) at each upload and removal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import spo_trace as spo
from tests.support import page
from tests.unit.fleet.killing import answers, killed_at
from tests.unit.fleet.machines import machine
from tests.unit.fleet.stores import S3, give_credentials, moto_s3

# Kills itself at the N-th change of the store: in the middle of an upload, at its end, or before a removal. The parts
# of an upload are flushed, as if they were large.
PROGRAM = """
import os, signal, sys
left = int(sys.argv.pop(1))
def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
class Stream:
    def __init__(self, stream):
        self.stream = stream
    def __enter__(self):
        return self
    def write(self, content):
        half = len(content) // 2
        self.stream.write(content[:half])
        self.stream.flush()
        step()
        self.stream.write(content[half:])
    def __exit__(self, *error):
        step()
        self.stream.close()
class Dying:
    def __init__(self, filesystem):
        self.filesystem = filesystem
    def __getattr__(self, name):
        return getattr(self.filesystem, name)
    def open_output_stream(self, path):
        return Stream(self.filesystem.open_output_stream(path))
    def delete_file(self, path):
        step()
        self.filesystem.delete_file(path)
from spo_trace import cli
from spo_trace.fleet import store_root
place_of = store_root.place_of
def dying(url):
    place = place_of(url)
    return place._replace(filesystem=Dying(place.filesystem))
store_root.place_of = dying
cli.main()
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Return a server."""
    with moto_s3() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the credentials to all tests."""
    give_credentials(monkeypatch)


def test_add(tmp_path: Path, s3: S3) -> None:
    root = s3.url(s3.bucket())
    spo.fleet.open(root, create=True).add(machine(tmp_path, "web1"), time="2026-01-01")
    new = machine(tmp_path, "web2", more=page(0x999, stack=(b"new_function+0x1/0x2",)))
    before, place = answers(root), 0
    while killed_at(PROGRAM, place, "fleet", "add", root, new.path, "--time", "2026-01-02", cwd=tmp_path):
        assert answers(root) == before
        place += 1
    # Three files, twice each. The stacks are complete when the second one is written, and are not written again.
    assert place >= 4
    assert [row["host"] for row in answers(root)[1]] == ["web2", "web1"]


def test_compact(tmp_path: Path, s3: S3) -> None:
    root = s3.url(bucket := s3.bucket())
    fleet = spo.fleet.open(root, create=True)
    for number in range(2):
        new = page(0x999, stack=(b"function_%d+0x1/0x2" % number,))
        fleet.add(machine(tmp_path, f"web{number}", more=new), time="2026-01-01")
    before, place = answers(root), 0
    while killed_at(PROGRAM, place, "fleet", "compact", root, cwd=tmp_path):
        assert answers(root) == before
        place += 1
    assert place >= 4
    assert answers(root) == before
    assert sum("/snapshots/" in name for name in s3.objects(bucket)) == 1
