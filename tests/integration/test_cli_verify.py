# SPDX-License-Identifier: LGPL-2.1-or-later
"""verify for scripts: exit codes, verdicts in every format, and truncated captures."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from tests.support import ANON, FS, MACHINE, SHMEM, Files, capture, entry, in_process, meminfo, page, swaps, tar_of

WHOLE: Files = {
    **MACHINE,
    "page_owner": page(order=3),
    "swap_page_owner": entry(1) + entry(2),
    "show_stacks": b"".join(
        b"".join(b" %b\n" % frame for frame in stack) + b"nr_base_pages: %d\n\n" % pages
        for stack, pages in ((ANON, 8), (SHMEM, 2))
    ),
    "meminfo": meminfo(free=992, swap_total=1000, swap_free=998),
    "swaps": swaps(vda=2),
}
SECTIONS = ["memory", "swap type 0: /dev/vda", "page_owner_stacks"]
OFF = meminfo(free=0, swap_total=1000, swap_free=998)


@pytest.mark.parametrize(
    ("lacks", "only", "code"),
    [
        ((), (), 0),
        (("show_stacks",), (), 4),
        (("show_stacks",), ("memory,swap",), 0),
        (("show_stacks",), ("memory", "swap"), 0),
        (("show_stacks",), ("stacks",), 4),
        (("swap_page_owner",), (), 4),
        (("swap_page_owner", "swaps", "show_stacks"), ("memory",), 0),
        (("meminfo", "swaps", "show_stacks"), (), 4),
        (("meminfo",), ("memory",), 4),
    ],
)
def test_the_exit_code_if_a_part_could_not_be_checked(
    tmp_path: Path, lacks: tuple[str, ...], only: tuple[str, ...], code: int
) -> None:
    capture(tmp_path / "c", {name: text for name, text in WHOLE.items() if name not in lacks})
    run = in_process("verify", "c", *(word for part in only for word in ("--only", part)), cwd=tmp_path)
    assert run.returncode == code, run.stderr
    assert (b"Balanced" in run.stderr) == (code == 0)
    assert (b"error: not checked: " in run.stderr) == (code == 4)


@pytest.mark.parametrize("lacks", [(), ("show_stacks",)])
def test_a_part_that_is_off_decides_the_exit_code(tmp_path: Path, lacks: tuple[str, ...]) -> None:
    capture(tmp_path / "c", {name: text for name, text in {**WHOLE, "meminfo": OFF}.items() if name not in lacks})
    run = in_process("verify", "c", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (3, b"spo-trace: error: off by more than 2%: memory\n")
    assert in_process("verify", "c", "--only", "swap", cwd=tmp_path).returncode == 0


def test_the_hint_names_what_can_be_checked(tmp_path: Path) -> None:
    capture(tmp_path / "c", {name: text for name, text in WHOLE.items() if name != "swap_page_owner"})
    said = in_process("verify", "c", cwd=tmp_path).stderr.decode()
    assert said == (
        "spo-trace: error: not checked: swap: /dev/vda: the owners of swap are unknown (not in the capture)\n"
        "  hint: --only memory,stacks checks the other parts\n"
    )


def test_a_part_that_does_not_exist(tmp_path: Path) -> None:
    run = in_process("verify", "nothing", "--only", "memory,disk", cwd=tmp_path)
    assert (run.returncode, run.stderr.decode()) == (
        2,
        "spo-trace: error: there is no part 'disk'\n  hint: choose from memory, swap, stacks, sites\n",
    )


def test_verdicts_are_in_every_format(tmp_path: Path) -> None:
    capture(tmp_path / "c", {name: text for name, text in WHOLE.items() if name != "show_stacks"})
    expected = [
        ("memory", "balanced", "within-tolerance"),
        ("swap type 0: /dev/vda", "balanced", "within-tolerance"),
        ("page_owner_stacks", "not checked", "no-stack-counts"),
    ]
    rows = json.loads(in_process("verify", "c", "-f", "json", cwd=tmp_path).stdout)
    assert [(row["section"], row["verdict"], row["reason"]) for row in rows if row["verdict"]] == expected
    lines = csv.DictReader(io.StringIO(in_process("verify", "c", "-f", "csv", cwd=tmp_path).stdout.decode()))
    assert [(row["section"], row["verdict"], row["reason"]) for row in lines if row["verdict"]] == expected
    whole = json.loads(in_process("verify", "c", "-f", "json", "--envelope", cwd=tmp_path).stdout)
    assert whole["rows"] == rows
    for options in ((), ("-f", "markdown"), ("-o", "x.txt")):
        run = in_process("verify", "c", *options, cwd=tmp_path)
        text = (run.stdout.decode() or (tmp_path / "x.txt").read_text()).replace("\\", "")
        assert "0.0% unexplained, within 2%" in text and "not checked" in text
        assert "there are no counts in page_owner_stacks" in text


def test_a_document_contains_the_verdict_balanced(tmp_path: Path) -> None:
    capture(tmp_path / "c", WHOLE)
    said = "Balanced: the unexplained difference is within 2%"
    for name, line in (("x.txt", said), ("x.md", f"- {said}")):
        assert in_process("verify", "c", "-o", name, cwd=tmp_path).returncode == 0
        assert (tmp_path / name).read_text().splitlines()[-1] == line


def archive() -> bytes:
    """Return an archive that is balanced, and large enough to be cut at many places."""
    padding = {name: WHOLE[name] for name in ("uname", "pagesize", "uptime", "boot_id", "cmdline", "meminfo", "swaps")}
    owners = {name: WHOLE[name] for name in ("page_owner", "swap_page_owner", "show_stacks")}
    return tar_of({**padding, **owners})


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("hundredths", range(5, 100, 5))
def test_an_archive_that_is_cut_off_is_never_balanced(tmp_path: Path, hundredths: int, compressed: bool) -> None:
    content = archive()
    # tar fills its last block of 10 KiB with zeros; only the first of these are needed.
    whole = content[: content.rstrip(b"\0").__len__() + 1024] if not compressed else gzip.compress(content)
    (tmp_path / "cut").write_bytes(whole[: len(whole) * hundredths // 100])
    run = in_process("verify", "cut", cwd=tmp_path)
    assert run.returncode in (1, 4), run.stdout
    assert b"Balanced" not in run.stderr + run.stdout


@pytest.mark.parametrize("lacks", [(), ("show_stacks",)])
def test_a_complete_archive_gets_a_verdict(tmp_path: Path, lacks: tuple[str, ...]) -> None:
    (tmp_path / "whole.tar").write_bytes(tar_of({n: text for n, text in WHOLE.items() if n not in lacks}))
    run = in_process("verify", "whole.tar", "--only", "memory,swap", cwd=tmp_path)
    assert run.returncode == 0 and b"cut off" not in run.stderr


def test_an_archive_that_is_cut_between_two_files(tmp_path: Path) -> None:
    # GIVEN an archive that ends at the end of a member: it is readable so far, but later members are unknown
    content = tar_of({"page_owner": WHOLE["page_owner"], "meminfo": WHOLE["meminfo"]})
    (tmp_path / "cut.tar").write_bytes(content[: 512 + 512])
    run = in_process("report", "cut.tar", cwd=tmp_path)
    assert run.returncode == 0
    assert b"the capture is cut off, and files may be missing: the end of the archive is missing" in run.stderr
    said = json.loads(in_process("verify", "cut.tar", "-f", "json", cwd=tmp_path).stdout)
    assert {row["reason"] for row in said if row["verdict"]} == {"cut-off"}


def test_pages_without_their_stack_are_listed_with_a_warning(tmp_path: Path) -> None:
    def placeholder(name: bytes, pfn: int) -> bytes:
        return page(pfn, stack=(b"register_%b_stack+0x1/0x2" % name, b"init_page_owner+0x1/0x2"))

    pages = page(order=3, stack=FS) + b"".join(
        placeholder(name, 0x200 + n) for n, name in enumerate((b"early", b"dummy", b"failure"))
    )
    capture(tmp_path / "c", {**WHOLE, "page_owner": pages})
    lines = in_process("verify", "c", "--only", "memory", cwd=tmp_path).stdout.decode().splitlines()
    told = {line.strip().partition("  ")[0] for line in lines}
    assert {"early pages", "pages with a lost owner", "pages without a stack trace"} <= told
    run = in_process("report", "c", "--html", "r.html", cwd=tmp_path)
    lost = "The owners of 1 page (4.00 KiB) are lost: the kernel&#x27;s stack depot was full or out of memory"
    assert f"spo-trace: warning: {lost.replace('&#x27;', chr(39))}\n" in run.stderr.decode()
    assert f'<p class="note">{lost}</p>' in (tmp_path / "r.html").read_text()
    assert "warning: A: The owners of 1 page " in in_process("diff", "c", "c", cwd=tmp_path).stderr.decode()
