# SPDX-License-Identifier: LGPL-2.1-or-later
"""`explain` on the command line, and its findings in reports, pages and notebooks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.errors import EXIT_THRESHOLD, EXIT_USAGE
from spo_trace.findings.codes import Code
from tests.support import ANON, MACHINE, SHMEM, in_process, meminfo, page, snapshot_of

FILE = "12.5 MiB of memory is tmpfs or shared memory that <b>@dd allocated."
EVIDENCE = "spo-trace explain x.spo"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with x.spo, in which a process whose name is HTML owns 12.5 MiB of tmpfs, and a later y.spo."""
    directory = tmp_path_factory.mktemp("explain")
    files = {**MACHINE, "meminfo": meminfo(total=16_000, free=10_000)}
    shared = b"".join(page(0x10000 + (place << 6), 6, b"<b>@dd", stack=SHMEM) for place in range(50))
    snapshot_of(directory, {**files, "page_owner": shared}, name="x")
    more = b"".join(page(0x20000 + (place << 6), 6, b"eater", stack=ANON, ts=10**9) for place in range(50))
    later = {**files, "uptime": b"160.00 1.00\n", "page_owner": shared + more}
    snapshot_of(directory, later, name="y")
    yield directory


def test_text_has_evidence_action_and_what_was_not_checked(place: Path) -> None:
    run = in_process("explain", "x.spo", cwd=place)
    lines = run.stdout.decode().splitlines()
    assert (run.returncode, run.stderr) == (0, b"")
    assert lines[0].startswith(FILE)
    assert lines[1] == (
        """    spo-trace report x.spo --by comm --where 'category == "tmpfs/shmem"' --sort mem --top 5"""
    )
    assert lines[2].startswith("    → Delete files")
    assert lines[-1].startswith("Not checked: ")
    assert "fragmented (without /proc/buddyinfo)" in lines[-1]


def test_the_command_of_a_finding_shows_its_number(place: Path) -> None:
    shown = in_process("report", "x.spo", "--by", "comm", "--where", 'category == "tmpfs/shmem"', cwd=place)
    assert "12.50 MiB" in shown.stdout.decode()


def test_json_has_codes_and_plain_numbers(place: Path) -> None:
    found = json.loads(in_process("explain", "x.spo", "-f", "json", cwd=place).stdout)
    (finding,) = found["findings"]
    assert (finding["code"], finding["bytes"], finding["numbers"]) == ("tmpfs-memory", 13107200, {"mem": 13107200})
    assert {"code": "fragmented", "reason": "no-buddyinfo", "text": "the input lacks /proc/buddyinfo"} in found[
        "not_checked"
    ]


def test_two_snapshots(place: Path) -> None:
    run = in_process("explain", "x.spo", "y.spo", cwd=place)
    assert run.stdout.decode().splitlines()[0] == "eater grew by 12.5 MiB."


def test_a_recording(tmp_path: Path) -> None:
    in_process("watch", "--from", "leak", "--backend", "simulator", "--record", "r", cwd=tmp_path)
    run = in_process("explain", "r", "--fail-on", "steady-growth", cwd=tmp_path)
    sentences = [line for line in run.stdout.decode().splitlines() if line.endswith("(95 % confidence).")]
    # The two leaks of the scenario, and nothing that only grew once.
    assert sorted(line.partition(" ")[0] for line in sentences) == ["sampler", "worker"]
    assert run.returncode == EXIT_THRESHOLD
    assert in_process("explain", "r", "r", cwd=tmp_path).returncode == EXIT_USAGE


@pytest.mark.parametrize(
    ("codes", "expected"),
    [(["tmpfs-memory"], EXIT_THRESHOLD), (["fragmented,tmpfs-memory"], EXIT_THRESHOLD), (["fragmented"], 0)],
)
def test_fail_on_a_code(place: Path, codes: list[str], expected: int) -> None:
    options = [word for code in codes for word in ("--fail-on", code)]
    assert in_process("explain", "x.spo", *options, cwd=place).returncode == expected


def test_an_unknown_code_is_a_usage_error_that_lists_all(place: Path) -> None:
    run = in_process("explain", "missing.spo", "--fail-on", "nosuch", cwd=place)
    assert run.returncode == EXIT_USAGE
    assert all(code in run.stderr.decode() for code in Code)


def test_a_report_begins_with_findings(place: Path) -> None:
    run = in_process("report", "x.spo", cwd=place)
    said = run.stderr.decode().splitlines()
    assert said[0].startswith(FILE)
    assert said[1] == f"Evidence and possible actions: {EVIDENCE}"
    assert run.stdout.startswith(b"comm ")


def test_a_document_begins_with_findings(place: Path, tmp_path: Path) -> None:
    markdown = in_process("report", "x.spo", "-f", "markdown", cwd=place).stdout.decode()
    # A name that begins with @ would notify somebody.
    assert markdown.startswith("- 12.5 MiB of memory is tmpfs or shared memory that `<b>@dd` allocated.")
    in_process("report", "x.spo", "-o", tmp_path / "x.txt", cwd=place)
    assert (tmp_path / "x.txt").read_text().startswith(FILE)


@pytest.mark.parametrize("options", [["--no-findings"], ["--where", "order == 6"], ["-f", "csv"], ["-f", "json"]])
def test_findings_are_left_out(place: Path, options: list[str]) -> None:
    run = in_process("report", "x.spo", *options, cwd=place)
    assert b"tmpfs or shared" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    "command", [["report", "x.spo", "--html", "TO"], ["export", "x.spo", "-f", "html", "-o", "TO"]]
)
def test_an_html_report_has_findings(place: Path, tmp_path: Path, command: list[str]) -> None:
    target = tmp_path / "x.html"
    in_process(*[str(target) if word == "TO" else word for word in command], cwd=place)
    assert "<li>12.5 MiB of memory is tmpfs or shared memory that &lt;b&gt;@dd allocated." in target.read_text()


def test_the_html_page_of_a_difference_has_findings(place: Path, tmp_path: Path) -> None:
    grown = "<li>eater grew by 12.5 MiB."
    in_process("diff", "x.spo", "y.spo", "--html", tmp_path / "cli.html", cwd=place)
    spo.export_diff(place / "x.spo", place / "y.spo", tmp_path / "api.html")
    assert grown in (tmp_path / "cli.html").read_text() and grown in (tmp_path / "api.html").read_text()
    # AND in the wrong order, or of some of the records, it has none
    spo.export_diff(place / "y.spo", place / "x.spo", tmp_path / "order.html")
    spo.export_diff(place / "x.spo", place / "y.spo", tmp_path / "some.html", where="order == 6")
    for name in ("order", "some"):
        assert 'class="findings"' not in (tmp_path / f"{name}.html").read_text()


def test_a_notebook_shows_findings(place: Path) -> None:
    snap = spo.open(place / "x.spo")
    for shown in (snap._repr_html_(), snap.explain()._repr_html_()):
        assert "that &lt;b&gt;@dd allocated" in shown
    assert snap.explain().codes == spo.explain(place / "x.spo").codes == {Code.TMPFS}
