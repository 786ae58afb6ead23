# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directories of aggregates under any file names: each command answers, or refuses with the reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import in_process
from tests.unit.formats.test_allocinfo import HEAD, line

LEAK = b" prep_new_page+0x1/0x2\n drv_alloc+0x1/0x2 [drv]\n"
STEADY = b" prep_new_page+0x1/0x2\n fs_read+0x1/0x2 [fs]\n"
MAP = LEAK + b"handle: 7\n\n" + STEADY + b"handle: 9\n\n"
FIRST = b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid %d, tgid %d (%b), ts  ns\n"
NAMES = ("z.out", "night.log", "2026-11-22 noon", "\u00e4.txt")
MIB = 256


def sorted_text(leak: int) -> bytes:
    """Return the output of page_owner_sort."""
    rows = ((leak, 7, b"leaker", LEAK), (900, 8, b"idle", STEADY))
    return b"".join(
        b"%d times, %d pages, allocated by OTHERS :\n%b%b\n" % (pages, pages, FIRST % (pid, pid, comm), stack)
        for pages, pid, comm, stack in rows
    )


def culled(key: str, leak: int) -> bytes:
    """Return the output of page_owner_sort --cull=name or --cull=pid, which has no stacks."""
    shown = {"name": (b"task_comm_name: leaker", b"task_comm_name: idle"), "pid": (b"PID 7", b"PID 8")}[key]
    return b"%d times, %d pages, %b\n%d times, %d pages, %b\n" % (leak, leak, shown[0], 900, 900, shown[1])


def counts(leak: int, *, handles: bool = False) -> bytes:
    """Return show_stacks, or show_handles."""
    names = (b"handle: 7\n", b"handle: 9\n") if handles else (LEAK, STEADY)
    return b"%bnr_base_pages: %d\n\n%bnr_base_pages: 900\n\n" % (names[0], leak, names[1])


def sites(leak: int) -> bytes:
    """Return /proc/allocinfo."""
    return HEAD + line(leak << 12, leak, b"drivers/a.c:1 [drv] func:drv_alloc") + line(900 << 12, 9, b"mm/a.c:2 func:f")


# Each kind, and the key that answers if none is asked for, with what grows.
KINDS = {
    "sorted": (sorted_text, "comm", "leaker"),
    "name": (lambda leak: culled("name", leak), "comm", "leaker"),
    "pid": (lambda leak: culled("pid", leak), "pid", 7),
    "stacks": (counts, "caller", "drv_alloc"),
    "handles": (lambda leak: counts(leak, handles=True), "caller", "drv_alloc"),
    "sites": (sites, "site", "drivers/a.c:1 [drv] func:drv_alloc"),
}
# What `explain` says of growth by 6 MiB, before the evidence.
GREW = {
    "sorted": ["leaker grew by 6 MiB.", "The kernel module drv grew by 6 MiB."],
    "name": ["leaker grew by 6 MiB."],
    "pid": ["Nothing stands out."],
    "stacks": ["The kernel module drv grew by 6 MiB."],
    "handles": ["The kernel module drv grew by 6 MiB."],
    "sites": ["Memory allocated at drivers/a.c:1 [drv] func:drv_alloc grew by 6 MiB."],
}
WITHOUT_STACKS = ("name", "pid", "sites")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(tmp_path: Path, kind: str) -> Path:
    """Return a directory of samples, one minute apart; their order is not that of their names."""
    made = tmp_path / "samples"
    made.mkdir()
    for number, name in enumerate(NAMES):
        (made / name).write_bytes(KINDS[kind][0]((4 + 2 * number) * MIB))
        os.utime(made / name, (0, 1_700_000_000 + 60 * number))
    if kind == "handles":
        (made / "all stacks").write_bytes(MAP)
    return made


def rows(*arguments: object, cwd: Path) -> Any:
    done = in_process(*arguments, "-f", "json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return (
        [json.loads(line) for line in done.stdout.splitlines()] if arguments[0] == "watch" else json.loads(done.stdout)
    )


def alone(directory: Path, name: str, kind: str) -> list[Path]:
    """Return the paths of a sample, which for handles is a directory with their stacks."""
    if kind != "handles":
        return [directory / name]
    made = directory.parent / f"one {name}"
    made.mkdir()
    (made / name).write_bytes((directory / name).read_bytes())
    (made / "all stacks").write_bytes(MAP)
    return [made]


def test_a_report_without_keys_answers(directory: Path, kind: str, tmp_path: Path) -> None:
    _, key, grows = KINDS[kind]
    given = alone(directory, NAMES[0], kind)
    found = rows("report", *given, cwd=tmp_path)
    assert (found[0][key], found[0]["mem_bytes"]) == (grows, 4 << 20)
    # AND says so, if it is not by comm
    done = in_process("report", *given, cwd=tmp_path)
    assert (f"By {key}, because".encode() in done.stderr) == (key != "comm")
    # BUT what was asked for is not replaced
    asked = in_process("report", *given, "--by", "comm", cwd=tmp_path)
    assert (asked.returncode != 0) == (key != "comm")
    sorted_by = in_process("report", *given, "--sort", "comm", cwd=tmp_path)
    assert (sorted_by.returncode != 0) == (key != "comm")


def test_two_samples_are_compared(directory: Path, kind: str, tmp_path: Path) -> None:
    _, key, grows = KINDS[kind]
    both = (*alone(directory, NAMES[0], kind), *alone(directory, NAMES[-1], kind))
    first = rows("diff", *both, cwd=tmp_path)[0]
    assert (first[key], first["mem_bytes_delta"]) == (grows, 6 << 20)
    explained = in_process("explain", *both, cwd=tmp_path)
    lines = explained.stdout.decode().splitlines()
    said = [line for line in lines if not line.startswith((" ", "Not checked: "))]
    assert (explained.returncode, said) == (0, GREW[kind]), explained.stderr


def test_growth_in_a_directory(directory: Path, kind: str, tmp_path: Path) -> None:
    found = rows("trend", directory, cwd=tmp_path)
    assert (found[0]["first_bytes"], found[0]["last_bytes"]) == (4 << 20, 10 << 20)
    assert found[0]["rate"] == pytest.approx((2 << 20) / 60)
    _, key, grows = KINDS[kind]
    explained = rows("explain", directory, cwd=tmp_path)
    (finding,) = explained["findings"]
    assert finding["code"] == "steady-growth"
    assert finding["numbers"]["last"] == 10 << 20
    asked = rows("trend", directory, "--by", key, cwd=tmp_path)
    assert asked[0][key] == grows


def test_watch_shows_the_samples_of_a_directory(directory: Path, kind: str, tmp_path: Path) -> None:
    _, key, grows = KINDS[kind]
    samples = rows("watch", "--from", directory, "--record", tmp_path / "recording", cwd=tmp_path)
    owners = [row for row in samples if row[key] == grows]
    assert [(row["sample"], row["mem_bytes"] >> 20) for row in owners] == [(1, 4), (2, 6), (3, 8), (4, 10)]
    # AND a recording of them has the same growth
    assert rows("trend", tmp_path / "recording", cwd=tmp_path)[0]["rate"] == pytest.approx((2 << 20) / 60)


@pytest.mark.parametrize("format", ["folded", "speedscope", "pprof"])
def test_a_flame_graph_needs_stacks(directory: Path, kind: str, tmp_path: Path, format: str) -> None:
    done = in_process("export", *alone(directory, NAMES[0], kind), "-f", format, "-o", "out", cwd=tmp_path)
    if kind in WITHOUT_STACKS:
        assert done.returncode == 1
        assert not (tmp_path / "out").exists()
        assert b"no stack" in done.stderr or b"no owners" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out").stat().st_size > 50


def test_every_kind_has_an_html_report(directory: Path, kind: str, tmp_path: Path) -> None:
    given = alone(directory, NAMES[0], kind)
    done = in_process("report", *given, "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    # THEN the page has the names that the input has, and all of its memory
    assert kind not in ("sorted", "name") or "leaker" in page
    assert kind in ("name", "pid") or "drv_alloc" in page
    assert f'<data value="{(4 * MIB + 900) << 12}"' in page
    exported = in_process("export", *given, "-o", "other.html", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr


def test_every_kind_has_an_html_report_on_two(directory: Path, kind: str, tmp_path: Path) -> None:
    both = (*alone(directory, NAMES[0], kind), *alone(directory, NAMES[-1], kind))
    done = in_process("diff", *both, "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert kind in ("name", "pid") or "drv_alloc" in page
    assert f'<data value="{6 << 20}" title="6,291,456 bytes">+6.00 MiB</data><span>change of memory' in page
    assert ("have a stack that is in both" in page) == (kind not in WITHOUT_STACKS)


@pytest.mark.parametrize("command", [("page", "5"), ("blockers",)])
def test_pages_are_asked_of_lists_of_pages_only(
    directory: Path, kind: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = in_process(*command, *alone(directory, NAMES[0], kind), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    expected = b"there is no page_owner" if kind == "sites" else b"no pfn: it is "
    assert expected in done.stderr


def test_a_series_is_not_compared_with_another(directory: Path, tmp_path: Path) -> None:
    done = in_process("explain", directory, directory, cwd=tmp_path)
    assert done.returncode == 2
    assert b"is a directory of samples" in done.stderr
