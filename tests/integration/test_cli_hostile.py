# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile or damaged input: a clear error, or rejects with position and count, and never unescaped text."""

import json
import re
from pathlib import Path

import pytest

from tests.support import CARRIED, CODECS, MACHINE, capture, entry, in_process, pack, page, tar_of

# All characters but newline that control a terminal: C0, DEL, C1, overrides of the text direction.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")

EVIL = b"\x1b]0;x\a\x1b[2J\r\xc2\x9b"
COMMS = [
    EVIL,
    b"a), ts 1 ns\nPFN",
    b"\n\nPage allocat",
    b"new\nline",
    b"",
    b"\xff\xfe\x80",
    b"\xe2\x80\xaetxt.exe",
    b"a|b`c<i>;=1+1",
    b"\\n\\033",
    b"'; DROP TABLE",
]
MEMCG = b"Charged (via objcg) to offline memcg a) b (\x1b[31m\xff) c\n"

HOSTILE = {
    **MACHINE,
    "uname": b"Linux \x1b[31mbox 7.2\x07 #1 x86_64\n",
    "cmdline": b"page_owner=on,swap \x1b[2J\n",
    "swaps": b"Filename\tType\tSize\tUsed\tPriority\n/dev/\x1b[2J\tpartition\t8000\t4\t-2\n",
    "meminfo": b"MemTotal: 8000 kB\nMemFree: 7000 kB\nSwapTotal: 8000 kB\nSwapFree: 7996 kB\n\x1b[2J: 7 kB\n",
    "page_owner": EVIL
    + b"\n\n"
    + b"".join(
        page(0x100 + 8 * n, comm=comm, tail=MEMCG, stack=[b"f\x1b[1m+0x1/0x2 [m\x1b]"]) for n, comm in enumerate(COMMS)
    )
    + page(0x800, tail=b"odd \x1b[5m line\n"),
    "swap_page_owner": b"".join(entry(n + 1, comm) for n, comm in enumerate(COMMS)),
}


def is_clean(text: bytes) -> bool:
    """Return whether a terminal displays all of `text`."""
    return CONTROL.search(text.decode("utf-8")) is None


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a hostile capture and its snapshot."""
    directory = tmp_path_factory.mktemp("hostile")
    capture(directory / "c", HOSTILE)
    run = in_process("snapshot", "--from", "c", "-o", "c.spo", cwd=directory)
    assert (run.returncode, is_clean(run.stdout), is_clean(run.stderr)) == (0, True, True), run.stderr
    return directory


@pytest.mark.parametrize(
    "arguments",
    [
        "report c.spo --top 0",
        "report c --by comm,memcg,module,caller --top 0",
        "report c.spo --by stack,comm --top 0",
        "report c.spo --format csv --by symbols",
        "report c.spo --format json --top 0",
        "report c.spo --format markdown --top 0",
        "report c --format json --envelope",
        "diff c c --format markdown",
        "diff c.spo c.spo --by memcg -f csv",
        "verify c.spo --tolerance 1000",
        "export c.spo",
        "export c.spo -f csv",
        "export c.spo -f json",
        "export c.spo -f speedscope",
        "export c.spo -f html",
    ],
)
def test_no_control_character_reaches_a_terminal(hostile: Path, arguments: str) -> None:
    run = in_process(*arguments.split(), cwd=hostile)
    # With malformed records, verify checks nothing.
    assert run.returncode == (4 if "verify" in arguments else 0), run.stderr.decode()
    assert len(run.stdout) > 100
    assert is_clean(run.stdout)
    assert is_clean(run.stderr)
    if "json" in arguments:
        json.loads(run.stdout)


def test_every_comm_is_distinct_and_escaped(hostile: Path) -> None:
    rows = json.loads(in_process("report", "c.spo", "-f", "json", "--top", "0", cwd=hostile).stdout)
    assert {row["comm"]: (row["mem_pages"], row["swap_pages"]) for row in rows} == {
        "\\033]0;x\\007\\033[2J\\015\\302\\233": (1, 1),
        "a), ts 1 ns\\nPFN": (1, 1),
        "\\n\\nPage allocat": (1, 1),
        "new\\nline": (1, 1),
        "": (1, 1),
        "\\377\\376\\200": (1, 1),
        "\\342\\200\\256txt.exe": (1, 1),
        "a|b`c<i>;=1+1": (1, 1),
        "\\\\n\\\\033": (1, 1),
        "'; DROP TABLE": (1, 1),
        "dd": (1, 0),
    }


def test_rejects_have_a_position_and_are_escaped(hostile: Path) -> None:
    rejects = (hostile / "c.spo/rejects.txt").read_text()
    assert is_clean(rejects.encode())
    assert "# page_owner line 1 byte 0: text before the first record (record kept without this)\n\\033]0;x" in rejects
    assert ": line not understood (record kept without this)\nodd \\033[5m line\n" in rejects


PAGE = page()
ODD = {
    "order 40": (PAGE.replace(b"order 0", b"order 40"), "order is out of range"),
    "order of 60 digits": (PAGE.replace(b"order 0", b"order " + b"9" * 60), "order is out of range"),
    "ts of 60 digits": (PAGE.replace(b"ts 5", b"ts " + b"9" * 60), "ts is out of range"),
    "ts of 9000 digits": (PAGE.replace(b"ts 5", b"ts " + b"9" * 9000), "ts is out of range"),
    "comm of 200 bytes": (PAGE.replace(b"(dd)", b"(" + b"x" * 200 + b")"), "first line not understood"),
    "cut": (PAGE[:-1], "the record is cut off"),
}


@pytest.mark.parametrize(("record", "reason"), ODD.values(), ids=ODD)
def test_an_invalid_record_is_one_counted_reject(tmp_path: Path, record: bytes, reason: str) -> None:
    capture(tmp_path / "c", {**MACHINE, "page_owner": page(0x200) + record})
    run = in_process("report", "c", "-f", "csv", cwd=tmp_path)
    assert run.stdout.split(b"\n")[1].startswith(b"dd,True,1,,,4096,,,4096,")
    said = run.stderr.decode()
    kept = "1 of 2 records are malformed and set aside (a snapshot keeps them in rejects.txt; first: page_owner"
    assert f"warning: page_owner: {kept}" in said
    assert reason in said
    run = in_process("snapshot", "--from", "c", "-o", "c.spo", "--strict", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.decode().startswith("spo-trace: error: page_owner line ")
    assert not (tmp_path / "c.spo").exists()


@pytest.mark.parametrize(
    "extra",
    [
        {"show_stacks": b" a+0x1/0x2\nnr_base_pages: 9999999999999999999\n\n"},
        {"show_stacks_handles": b" a+0x1/0x2\nhandle: 99999999999\n\n"},
        {"meminfo": b"MemTotal: " + b"9" * 5000 + b" kB\n"},
        {"meminfo": b"MemTotal: " + b"9" * 30 + b" kB\nMemFree: 1 kB\n"},
        {"swaps": b"/dev/x partition " + b"9" * 5000 + b" " + b"9" * 25 + b" -2\n"},
        {"zoneinfo": b"Node " + b"9" * 5000 + b", zone X\n  pages free 5\n  managed " + b"9" * 5000 + b"\n"},
        {"vmstat": b"x " + b"9" * 5000 + b"\n"},
        {"uptime": b"9" * 5000 + b".0 1\n"},
        {"uname": b"\xff\0\n"},
        {"uname": b"Linux h 6 v i686\n", "swap_page_owner": entry(0x400000000000001)},
        {"swap_page_owner": entry((1 << 64) - 1)},
        {"swap_page_owner": b"garbage"},
        {"cmdline": bytes(range(256)) * 40},
    ],
    ids=lambda extra: " ".join(f"{name} {text[:30]!r}" for name, text in extra.items()),
)
def test_other_invalid_files(tmp_path: Path, extra: dict[str, bytes]) -> None:
    capture(tmp_path / "c", {**MACHINE, "page_owner": page(), **extra})
    for command in ("snapshot --from c -o c.spo", "report c.spo", "verify c.spo", "diff c.spo c.spo"):
        run = in_process(*command.split(), cwd=tmp_path)
        assert run.returncode in (0, 1, 3, 4), run.stderr
        assert b"a bug in spo-trace" not in run.stderr, (command, run.stderr)
        assert is_clean(run.stderr)
        if run.returncode == 1:
            assert run.stderr.count(b"\n") <= 3


STAGE = CARRIED / "7.2-spo-varied" / "0-before"


@pytest.fixture(scope="module")
def real() -> bytes:
    """Return the first 300 kB of a real page_owner."""
    import lzma

    return lzma.decompress((STAGE / "page_owner.xz").read_bytes())[:300_000]


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("archive", [False, True], ids=["file", "tar"])
def test_the_records_before_a_truncation_are_read(tmp_path: Path, real: bytes, suffix: str, archive: bool) -> None:
    plain = tar_of({"page_owner": real}) if archive else real
    packed = pack(plain, suffix)
    (tmp_path / "x").write_bytes(packed[: len(packed) * 9 // 10])
    run = in_process("snapshot", "--from", "x", "-o", "x.spo", cwd=tmp_path)
    said = run.stderr.decode()
    if run.returncode:
        # One block of bz2 contains this whole text: no record precedes the cut.
        assert (suffix, "Traceback" in said, "a bug" in said) == ("bz2", False, False)
        return
    assert "warning: page_owner: reading the input failed: " in said
    meta = json.loads((tmp_path / "x.spo/snapshot.json").read_bytes())
    assert 0 < meta["files"]["page_owner"]["records"] < real.count(b"Page allocated via")


def test_dos_line_endings_give_the_same_result(tmp_path: Path, real: bytes) -> None:
    whole = real[: real.rindex(b"\n\nPage allocated") + 2]
    (tmp_path / "unix").write_bytes(whole)
    (tmp_path / "dos").write_bytes(whole.replace(b"\n", b"\r\n"))
    unix, dos = (
        in_process("report", name, "-f", "csv", "--by", "comm,caller,memcg", "--top", "0", cwd=tmp_path)
        for name in ("unix", "dos")
    )
    assert unix.stdout == dos.stdout
    assert b"malformed" not in dos.stderr
