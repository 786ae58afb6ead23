# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet in an object store gives the answers of one in a directory; its errors say what to do, and tell no secret."""

import http.server
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.fleet import store_url
from spo_trace.fleet.compact import compact
from spo_trace.fleet.fleet import Fleet
from spo_trace.fleet.opening import open_root
from spo_trace.fleet.store_url import place_of
from spo_trace.snapshots.reader import Snapshot
from tests.support import in_process, page
from tests.unit.fleet.machines import machine
from tests.unit.fleet.stores import S3, give_credentials, moto_s3

NAME = re.compile(r"some/fleet/(snapshots|cube|stacks)/(?:[0-9]{8}-)?[0-9a-f]{32}\.parquet")

_SQL = "SELECT host, sum(cube.records) AS n FROM cube JOIN snapshots ON snapshot = id GROUP BY host ORDER BY host"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Return a server."""
    with moto_s3() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the credentials to all tests."""
    give_credentials(monkeypatch)


Given = list[tuple[Snapshot, str, str]]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Return snapshots with hosts and times: two days, two kernels, and a name that no object may have."""
    directory, found = tmp_path_factory.mktemp("snapshots"), []
    for number, kernel in enumerate((b"6.12.5", b"7.2.13")):
        for pages, host in ((3, "web1"), (5, "../../web2\n")):
            more = page(0x999, stack=(b"function_%d+0x1/0x2" % number,))
            snap = machine(directory, "m", pages=pages + number, kernel=kernel, boot_number=number, more=more)
            found.append((snap, host, f"2026-01-0{number + 1}"))
    return found


def filled(root: str | Path, given: Given) -> Fleet:
    """Return a fleet of all snapshots."""
    fleet = spo.fleet.open(root, create=True)
    for snap, host, day in given:
        fleet.add(snap, host=host, time=day, labels={"role": "../x"})
    return fleet


def answers(fleet: Fleet) -> list[Any]:
    """Return what each question says."""
    return [
        fleet.report(["stack", "host"]).to_dict("records"),
        fleet.report("comm", where="order == 0", window="30d", at="2026-01-05").to_dict("records"),
        fleet.diff(["time=2026-01-01T12:00"], ["time=latest"], "stack", paired=True).to_dict("records"),
        fleet.outliers("caller", within="label.role").to_dict("records"),
        fleet.sql(_SQL).to_dict(),
        fleet.check().to_dict("records"),
    ]


def test_it_gives_the_answers_of_a_directory(tmp_path: Path, s3: S3, given: Given) -> None:
    bucket = s3.bucket()
    local = filled(tmp_path / "f", given)
    stored = filled(s3.url(bucket), given)
    expected = answers(local)
    assert answers(stored) == expected and len(expected[0]) > 4
    assert all(NAME.fullmatch(name) for name in s3.objects(bucket))
    # Adding again changes nothing.
    before = s3.objects(bucket)
    filled(s3.url(bucket), given)
    assert s3.objects(bucket) == before
    # Compaction makes the same files, and changes no answer.
    done = [compact(open_root(root), today=date(2026, 1, 4)) for root in (str(tmp_path / "f"), s3.url(bucket))]
    assert done[0] == done[1] and done[0].days == 2
    assert answers(spo.fleet.open(s3.url(bucket))) == answers(spo.fleet.open(tmp_path / "f"))
    assert answers(spo.fleet.open(s3.url(bucket)))[:5] == expected[:5]
    names = {str(path.relative_to(tmp_path / "f")) for path in (tmp_path / "f").rglob("*-*.parquet")}
    assert names <= {name.removeprefix("some/fleet/") for name in s3.objects(bucket)}
    assert compact(open_root(s3.url(bucket)), 1, today=date(2026, 1, 3)).dropped == 2


# The columns of the files and their version are those of a directory.
def test_any_reader_of_parquet_reads_it(tmp_path: Path, s3: S3, given: Given) -> None:
    bucket = s3.bucket()
    filled(s3.url(bucket), given)
    filled(tmp_path / "f", given)
    for path in (tmp_path / "f" / "cube").iterdir():
        stored = pq.read_table(f"{bucket}/some/fleet/cube/{path.name}", filesystem=s3.client)
        assert stored.equals(pq.read_table(path)) and stored.schema.metadata == pq.read_schema(path).metadata


def test_commands(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.bucket()
    snap = machine(tmp_path, "web1")
    # The endpoint of all programs for S3, instead of the URL.
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3.endpoint}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    root = f"s3://user:hush-hush@{bucket}/fleet"
    run = in_process("fleet", "add", root, snap.path, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, f"1 snapshot added to s3://{bucket}/fleet\n".encode())
    for words in (
        ("report", root),
        ("outliers", root),
        ("compact", root),
        ("check", root),
        ("diff", root, "--from", "time=latest", "--to", "host=web1"),
    ):
        run = in_process("fleet", *words, cwd=tmp_path)
        assert run.returncode == 0 and b"hush" not in run.stdout + run.stderr, run.stderr
    run = in_process("fleet", "add", root, snap.path, "--mode", "0640", cwd=tmp_path)
    assert run.returncode == 2 and b"no owner and no mode" in run.stderr and b"hush" not in run.stderr


def test_an_upload_at_work_is_not_seen(s3: S3, given: Given) -> None:
    bucket = s3.bucket()
    fleet = filled(s3.url(bucket), given)
    before = answers(fleet)
    stream = s3.client.open_output_stream(f"{bucket}/some/fleet/snapshots/{'0' * 32}.parquet")
    stream.write(b"PAR1" * (3 << 20))
    stream.flush()
    assert answers(spo.fleet.open(s3.url(bucket))) == before
    stream.close()
    assert [one.code for one in spo.fleet.open(s3.url(bucket)).catalog.problems] == ["damaged-file"]


def test_objects_with_other_names_are_left_alone(s3: S3, given: Given) -> None:
    bucket = s3.bucket()
    filled(s3.url(bucket), given)
    for name in ("x y", "x.parquet", "-rf"):
        with s3.client.open_output_stream(f"{bucket}/some/fleet/cube/{name}") as stream:
            stream.write(b"x")
    root = open_root(s3.url(bucket))
    for name in root.files("cube"):
        if not name.endswith(".parquet") or name == "x.parquet":
            root.remove("cube", name)
    assert {"x y", "x.parquet", "-rf"} <= set(root.files("cube"))


def test_a_bucket_that_disappears(tmp_path: Path, s3: S3, given: Given) -> None:
    bucket = s3.bucket()
    fleet = filled(s3.url(bucket), given)
    new = machine(tmp_path, "web9")
    s3.client.delete_dir(bucket)
    with pytest.raises(SpoTraceError, match=f"there is no (such )?bucket( {bucket})?$") as caught:
        fleet.add(new)
    assert caught.value.hint
    for ask in (fleet.report, fleet.check, fleet.compact):
        with pytest.raises(SpoTraceError, match=f"there is no bucket {bucket}$"):
            ask()
    with pytest.raises(SpoTraceError, match=f"there is no bucket {bucket}$"):
        spo.fleet.open(s3.url(bucket))


def test_other_objects_are_somebodys(s3: S3) -> None:
    bucket = s3.bucket()
    with pytest.raises(SpoTraceError, match="is not a fleet: there is no snapshots"):
        spo.fleet.open(s3.url(bucket))
    s3.client.open_output_stream(f"{bucket}/some/fleet/thesis.tex").close()
    with pytest.raises(SpoTraceError, match="is not a fleet: it has other files"):
        spo.fleet.open(s3.url(bucket), create=True)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answer each request with the error of S3 in `code`."""

    code = ("403", "AccessDenied")

    def _answer(self) -> None:
        status, code = self.code
        text = f"<Error><Code>{code}</Code><Message>no hush-hush</Message></Error>".encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_PUT = do_POST = _answer

    def log_message(self, *words: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (("403", "AccessDenied"), "access is denied"),
        (("403", "InvalidAccessKeyId"), "access is denied"),
        (("403", "SignatureDoesNotMatch"), "access is denied"),
        (("400", "ExpiredToken"), "access is denied"),
        (("404", "NoSuchBucket"), "there is no (such )?bucket"),
        (("503", "SlowDown"), "overloaded or fails"),
        (("500", "InternalError"), "overloaded or fails"),
        (("301", "PermanentRedirect"), "in another region"),
    ],
)
def test_what_a_store_refuses(code: tuple[str, str], problem: str) -> None:
    handler = type("Handler", (Refusing,), {"code": code})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(SpoTraceError, match=problem) as caught:
            spo.fleet.open(f"s3://bucket/f?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=x")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert caught.value.hint and "hush" not in str(caught.value)


def test_nobody_listens() -> None:
    with pytest.raises(SpoTraceError, match="s3://bucket/f can't be listed: it can't be reached"):
        spo.fleet.open("s3://bucket/f?endpoint_override=127.0.0.1:1&scheme=http&region=x")


def test_a_store_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_url, "_ANSWER_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        begin = time.monotonic()
        with pytest.raises(SpoTraceError, match="it can't be reached") as caught:
            spo.fleet.open(f"s3://bucket/f?endpoint_override=127.0.0.1:{silent.getsockname()[1]}&scheme=http&region=x")
    assert time.monotonic() - begin < 30 and caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "s3://user:hush-hush@bucket/f?password=hush-hush",
        "s3://user:hush-hush@/f",
        "s3://user:hush-hush@bucket/../f",
        "s3://user:hush-hush@bucket/f#x",
        "s3://user:hush-hush@[bucket/f",
        "s3://bucket/f?endpoint_override=user:hush-hush@host&region=x",
        "foo://user:hush-hush@bucket/f?key=hush-hush",
        "gs://user:hush-hush@bucket/f?key=hush-hush",
    ],
)
def test_a_wrong_url_tells_no_secret(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        spo.fleet.open(url)
    assert "hush" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert caught.value.hint


def test_the_name_of_a_place_has_no_secrets() -> None:
    place = place_of("s3://user:hush%2Fhush@bucket/a%20b/?region=x&endpoint_override=e")
    assert (place.shown, place.base) == ("s3://bucket/a b", "bucket/a b")
    assert {"user", "hush%2Fhush", "hush/hush"} <= set(place.secrets)


def test_a_url_of_a_file_is_a_directory(tmp_path: Path) -> None:
    fleet = spo.fleet.open(f"file://{tmp_path}/a%20b", create=True, mode=0o640)
    assert fleet.name == str(tmp_path / "a b") and (tmp_path / "a b" / "cube").is_dir()
