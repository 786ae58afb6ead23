# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command as a user runs it."""

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spo_trace.version import __version__
from tests.support import CARRIED, MACHINE, capture, entry, in_process, meminfo, page, spo_trace, swaps

COMMANDS = (
    "doctor",
    "snapshot",
    "capture-script",
    "collector",
    "report",
    "diff",
    "watch",
    "trend",
    "verify",
    "blockers",
    "page",
    "export",
    "simulate",
    "demo",
)

FILES = {
    **MACHINE,
    "meminfo": meminfo(free=988, swap_total=1000, swap_free=998),
    "swaps": swaps(vda=2),
    "page_owner": page(order=3) + page(0x110, 2, b"cat"),
    "swap_page_owner": entry(1) + entry(2, b"sw"),
}
LATER = {**FILES, "uptime": b"110.00 1.0\n", "page_owner": page(order=4) + page(0x110, 2, b"cat")}

REPORT = """\
comm        mem      swap      total  share
dd    32.00 KiB  4.00 KiB  36.00 KiB  64.3%
cat   16.00 KiB       0 B  16.00 KiB  28.6%
sw          0 B  4.00 KiB   4.00 KiB   7.1%
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with two captures, and a snapshot of each."""
    directory = tmp_path_factory.mktemp("place")
    for name, files in (("a", FILES), ("b", LATER)):
        capture(directory / name, files)
        run = spo_trace("snapshot", "--from", name, "-o", f"{name}.spo", cwd=directory)
        assert run.returncode == 0
        said = run.stderr.decode()
        assert said.startswith(f"Wrote {name}.spo: 2 page_owner records, 2 swap_page_owner records, 2 stacks, ")
        assert said.count("\n") == 1
        assert run.stdout == b""
    return directory


def answer(run: subprocess.CompletedProcess[bytes], code: int = 0) -> str:
    """Return the stdout of a run that succeeded."""
    assert (run.returncode, b"Traceback" in run.stderr) == (code, False), run.stderr.decode()
    return run.stdout.decode()


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help(command: str | None, tmp_path: Path) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    lines = answer(spo_trace(*arguments, cwd=tmp_path)).split("\n")
    # typer before 0.26 prints [COMMAND].
    assert lines[0].replace("[COMMAND]", "COMMAND").startswith(f"Usage: spo-trace {command or '[OPTIONS] COMMAND'}")
    assert lines[2].strip()
    if command is None:
        assert [line.split()[0] for line in lines if line[:2] == "  " and line.split()[0] in COMMANDS] == [*COMMANDS]


def test_version(tmp_path: Path) -> None:
    assert answer(spo_trace("--version", cwd=tmp_path)) == f"spo-trace {__version__}\n"


@pytest.mark.parametrize("given", ["a.spo", "a"])
def test_report_of_a_snapshot_and_of_a_capture(place: Path, given: str) -> None:
    run = spo_trace("report", given, cwd=place)
    assert answer(run) == REPORT
    assert run.stderr == b"Total: 48.00 KiB in memory, 8.00 KiB in swap\n"


def test_report_from_standard_input(place: Path) -> None:
    run = spo_trace("report", "-", "--where", 'comm == "dd"', cwd=place, stdin=FILES["page_owner"])
    assert answer(run) == "comm        mem  swap      total   share\ndd    32.00 KiB     ?  32.00 KiB  100.0%\n"
    assert run.stderr.startswith(
        b"spo-trace: warning: the capture does not contain the page size: 4096 bytes assumed; give --page-size "
    )


def test_report_top_and_sort(place: Path) -> None:
    run = in_process("report", "a.spo", "--top", 1, "--sort", "swap", "--by", "comm,pid", cwd=place)
    assert answer(run).split("\n")[1].split()[:2] == ["dd", "7"]
    assert "… 2 more rows: --top 0 shows all\n" in run.stderr.decode()
    run = in_process("report", "a.spo", "--top", 0, "--sort", "comm", cwd=place)
    assert [line.split()[0] for line in answer(run).splitlines()] == ["comm", "cat", "dd", "sw"]


def test_report_as_json_csv_and_markdown(place: Path) -> None:
    rows = json.loads(answer(in_process("report", "a.spo", "-f", "json", "--by", "comm", "--by", "type", cwd=place)))
    assert rows[0] == {
        **{"comm": "dd", "type": None, "key_known": True, "mem_pages": 8, "swap_pages": 0, "swap_cache_pages": 0},
        **{"mem_bytes": 32768, "swap_bytes": 0, "swap_cache_bytes": 0},
        **{"total_bytes": 32768, "share": 32768 / 57344},
    }
    assert answer(in_process("report", "a.spo", "-f", "csv", cwd=place)).split("\n")[:2] == [
        "comm,key_known,mem_pages,swap_pages,swap_cache_pages,mem_bytes,swap_bytes,swap_cache_bytes,total_bytes,share",
        f"dd,True,8,1,0,32768,4096,0,36864,{36864 / 57344}",
    ]
    assert answer(in_process("report", "a.spo", "-f", "markdown", "--top", 1, cwd=place)).split("\n")[2] == (
        "| `dd` | 32.00 KiB | 4.00 KiB | 36.00 KiB | 64.3% |"
    )


def test_report_to_a_file(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    run = in_process("report", "a.spo", "-o", target, cwd=place)
    whole = f"{REPORT}\nTotal: 48.00 KiB in memory, 8.00 KiB in swap\n"
    assert (answer(run), target.read_text(), target.stat().st_mode & 0o777) == ("", whole, 0o600)
    run = in_process("report", "a.spo", "-o", target, cwd=place)
    assert run.returncode == 1
    assert run.stderr.decode().startswith(f"spo-trace: error: {target} exists\n  hint: replace it with --force\n")
    answer(in_process("report", "a.spo", "-o", target, "--force", "--top", 1, cwd=place))
    assert target.read_text().splitlines()[2:4] == ["", "… 2 more rows: --top 0 shows all"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_diff(place: Path) -> None:
    run = spo_trace("diff", "a.spo", "b.spo", "--top", 1, cwd=place)
    assert answer(run) == (
        "comm     mem B-A  swap B-A    total A    total B   total B-A         rate\n"
        "dd    +32.00 KiB       0 B  36.00 KiB  68.00 KiB  +32.00 KiB  +3.20 KiB/s\n"
    )
    assert run.stderr.decode() == (
        "Same boot, 10.0 s apart\n"
        "… 2 more rows: --top 0 shows all\n"
        "Changes by comm: 32.00 KiB grown, 0 B shrunk, 0 B moved between memory and swap\n"
    )


@pytest.mark.parametrize(("limit", "code"), [("31K", 3), ("31Ki", 3), ("31KiB", 3), ("32K", 0), ("0", 3), ("1GiB", 0)])
def test_diff_as_a_leak_test(place: Path, limit: str, code: int) -> None:
    run = in_process("diff", "a.spo", "b.spo", "--fail-above", limit, "-f", "json", cwd=place)
    assert len(json.loads(answer(run, code))) == 3
    message = f"spo-trace: error: 1 row grew by more than {limit}: dd by 32.00 KiB\n"
    assert run.stderr.decode().endswith(message if code else "moved between memory and swap\n")


def test_verify(place: Path) -> None:
    run = in_process("verify", "a.spo", "--only", "memory,swap", cwd=place)
    assert answer(run).split("\n")[0] == "memory"
    assert run.stderr.decode() == "Balanced: the unexplained difference is within 2%\n"
    # A few unexplained pages are negligible even if they are a large share of a small machine.
    run = in_process("verify", "b.spo", "--only", "memory", "--only", "swap", "-f", "json", cwd=place)
    assert run.stderr.decode() == "Balanced: the unexplained difference is within 2%, or within 1.00 MiB (memory)\n"
    rests = {row["section"]: row["pages"] for row in json.loads(answer(run)) if row["kind"] == "rest"}
    assert rests == {"memory": -8, "swap type 0: /dev/vda": 0}


def test_verify_of_a_machine_that_is_off(tmp_path: Path) -> None:
    # GIVEN 1,000 pages in use, of which page_owner lists one
    capture(tmp_path / "off", {**MACHINE, "page_owner": page(), "meminfo": meminfo(total=1000, free=0)})
    # THEN it is an error, unless the tolerance is larger
    run = in_process("verify", "off", cwd=tmp_path)
    assert run.returncode == 3
    assert run.stderr.decode() == "spo-trace: error: off by more than 2%: memory\n"
    answer(in_process("verify", "off", "--tolerance", 100, "--only", "memory", cwd=tmp_path))


@pytest.mark.parametrize("stage", sorted(CARRIED.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_verify_of_captures_of_real_kernels(stage: Path, tmp_path: Path) -> None:
    # Swap can't be checked if it is in use and the kernel keeps no owners of it.
    unchecked = stage.parent.name == "7.2-stock" and stage.name == "2-swapped"
    run = in_process("verify", stage, cwd=tmp_path)
    assert (": not checked: swap: /dev/vda: " in run.stderr.decode()) == unchecked
    answer(run, 4 if unchecked else 0)
    answer(in_process("verify", stage, "--only", "memory,stacks", cwd=tmp_path))


def test_export(place: Path, tmp_path: Path) -> None:
    lines = answer(in_process("export", "a.spo", "--weight", "swap", cwd=place)).splitlines()
    assert sorted(line.partition(";")[0] + line.rpartition(" ")[2] for line in lines) == ["dd4096", "sw4096"]
    assert lines[0].startswith("dd;shmem_get_folio_gfp+0x1/0x2;shmem_alloc_folio+0x5c/0x7f;prep_new_page+0x1c/0x48 ")
    rows = json.loads(answer(in_process("export", "a.spo", "-f", "json", cwd=place)))
    assert [(row["where"], row["swp_entry"]) for row in rows] == [
        *[("memory", None)] * 2,
        *[("swap", "0x1"), ("swap", "0x2")],
    ]
    answer(in_process("export", "a.spo", "-f", "parquet", "-o", tmp_path / "x.parquet", cwd=place))
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 4
    header, *records = answer(in_process("export", "a.spo", "-f", "csv", cwd=place)).splitlines()
    assert (header[:19], len(records)) == ("where,pfn,order,gfp", 4)


def test_simulate_and_snapshot_of_the_simulator(tmp_path: Path) -> None:
    run = in_process("simulate", "quick", "-o", "q", cwd=tmp_path)
    assert answer(run) == ""
    stages = sorted(path.name for path in (tmp_path / "q").iterdir() if path.is_dir())
    assert run.stderr.decode() == f"Wrote q: stages {', '.join(stages)}\n"
    again = in_process("simulate", "quick", "-o", "q", cwd=tmp_path)
    hint = b"  hint: choose another name, or replace it with --force\n"
    assert (again.returncode, again.stderr) == (1, b"spo-trace: error: q exists\n" + hint)
    answer(in_process("simulate", "quick", "-o", "q", "--force", cwd=tmp_path))
    answer(in_process("snapshot", "--backend", "simulator", "--from", "quick", "-o", "q.spo", cwd=tmp_path))
    by_model = answer(in_process("report", "q.spo", "-f", "csv", cwd=tmp_path))
    assert by_model == answer(in_process("report", f"q/{stages[-1]}", "-f", "csv", cwd=tmp_path))
