# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repeat the experiment of the RFC's cover letter on a stock and on a patched kernel, and write the results to a file.

python -m tests.vm.rfc_experiment docs/rfc-experiment.md
"""

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.bench.machine import facts
from tests.oracle.compare import spo_trace
from tests.vm import guest, kernels
from tests.vm.qemu import Machine, accelerator
from tests.vm.rfc_letter import AFTER, BEFORE, STAGES

__all__ = ["Run", "main", "render"]

JOB = Path(__file__).parent / "jobs" / "rfc.sh"
# The collector alone: parsing what it wrote would take memory of the guest, and push other pages to swap.
TAKE = r"""
pages_out() { awk '$1 == "pswpout" { print $2 }' /proc/vmstat; }
take() {
    $2 "$1"
    before=$(pages_out)
    "$VM/../../spo_trace/native/spo-collect" "$OUT/$1" || exit
    pages=$(($(pages_out) - before))
    figure "$1" 'swapped out meanwhile' "$(awk -v pages=$pages 'BEGIN { print pages / 256 " MiB" }')"
}
"""
COLLECTOR_COMM = "spo-collect"
MIB = 1 << 20
# `free` shows about 475 MiB of this. The letter's guest has 458, but its kernel and user space use 30 MiB more.
MEMORY_MIB = 512


@dataclass(frozen=True)
class Run:
    """The results of one guest: figures of the letter's commands, and the directory with a snapshot of each stage."""

    title: str
    kernel: str
    cmdline: str
    letter: dict[tuple[str, str], str]
    figures: dict[tuple[str, str], str]
    out: Path

    def snapshot(self, stage: str) -> Snapshot:
        """Return a stage's snapshot."""
        return spo.open(self.out / f"{stage}.spo")


def main(target: Path) -> None:
    """Run both guests, print the document and write it to `target`."""
    with tempfile.TemporaryDirectory() as scratch:
        plan = (
            ("Before", "7.2-stock", "page_owner=on", BEFORE),
            ("After", "7.2-spo", "page_owner=on,swap", AFTER),
        )
        runs = [_run(*one, Path(scratch) / one[0]) for one in plan]
        text = render(runs, f"QEMU ({accelerator(kernels.find('7.2-spo'))}) on {facts()['processor']}")
    print(text)
    target.write_text(text)
    print(f"Wrote {target}", file=sys.stderr)


def _run(title: str, kernel: str, cmdline: str, letter: dict[tuple[str, str], str], out: Path) -> Run:
    print(f"{title}: {kernel}, {cmdline}", file=sys.stderr)
    machine = Machine(kernels.find(kernel), cmdline, memory_mib=MEMORY_MIB, processors=2)
    guest.run(machine, TAKE + JOB.read_text(), out, echo=sys.stderr.buffer)
    for stage in STAGES:
        spo.snapshot(out / f"{stage}.spo", from_=out / stage)
    lines = (line.split("\t") for line in (out / "figures.tsv").read_text().splitlines())
    return Run(title, kernel, cmdline, letter, {(stage, name): value.strip() for stage, name, value in lines}, out)


def render(runs: list[Run], machine: str) -> str:
    """Return the document in Markdown."""
    snap = runs[0].snapshot("0-initial")
    parts = [
        "# The RFC's experiment, repeated",
        f"Written by `make rfc-experiment` on {(snap.meta.written_at or '')[:10]}: two guests of {MEMORY_MIB} MiB, "
        f"2 processors, {machine}. All figures except those of the cover letter "
        '(columns "letter") were measured in that run.',
        "\n".join(f"- {run.title}: bzImage-{run.kernel}, booted with `{run.cmdline}`" for run in runs),
        "In each stage, the letter's own commands (`free -m`, `cat page_owner | awk …`) run first, then `spo-collect`, "
        "in the guest; `spo-trace snapshot --from` reads its captures elsewhere. A capture also lists the pages of the "
        "process that makes it; the rows *the collector's own* show their size. *swapped out meanwhile*: pswpout of "
        "/proc/vmstat, after the collector minus before it.",
        _figures(runs),
        "## Does it add up?",
        "`spo-trace verify` compares the pages that the kernel lists with the pages in use, and shows the unexplained "
        "difference:",
        _balances(runs),
        "## What moved",
        "Changes in memory and swap of the letter's three processes, without the patches (Before) and with them "
        "(After).",
        *(_moved(run) for run in runs),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(runs: list[Run]) -> str:
    head = ["figure", *(f"{column}, {run.title}" for run in runs for column in ("letter", "awk", "spo-trace"))]
    rows = []
    for stage, (done, names) in STAGES.items():
        rows.append([f"**{done}**", *[""] * 3 * len(runs)])
        taken = [_taken(run.snapshot(stage)) for run in runs]
        for name in (*names, *_OWN):
            cells = [
                [run.letter.get((stage, name), "–"), run.figures.get((stage, name), "–"), said.get(name, "–")]
                for run, said in zip(runs, taken, strict=True)
            ]
            rows.append([name, *(_short(cell) for three in cells for cell in three)])
    return _table(head, rows)


_OWN = ("the collector's own, in memory", "the collector's own, in swap", "swapped out meanwhile")


# The letter's figures according to a snapshot.
def _taken(snap: Snapshot) -> dict[str, str]:
    owners = spo.attribute(snap, by=["comm"]).set_index("comm")[["mem_bytes", "swap_bytes"]]
    own = owners.reindex([COLLECTOR_COMM], fill_value=0).iloc[0]
    meminfo = snap.meta.machine.meminfo
    known = snap.meta.swap_owner.origin is not None
    return {
        "total - free": _mib(meminfo["MemTotal"] - meminfo["MemFree"]),
        "swap used": _mib(meminfo["SwapTotal"] - meminfo["SwapFree"]),
        "page_owner": _mib(owners["mem_bytes"].sum()),
        "swap_page_owner": _mib(owners["swap_bytes"].sum()) if known else "unknown",
        **{comm: _mib(owners["mem_bytes"].get(comm, 0)) for comm in ("dd", "cat")},
        _OWN[0]: _mib(own["mem_bytes"]),
        _OWN[1]: _mib(own["swap_bytes"]) if known else "unknown",
    }


def _mib(size: float) -> str:
    return f"{size / MIB:.2f} MiB"


# If `cat` fails, its message precedes awk's empty sum.
def _short(cell: str) -> str:
    reason, _, rest = cell.rpartition(": ")
    return rest.replace("directory 0", "directory, 0") if reason else cell


def _balances(runs: list[Run]) -> str:
    rows = []
    for run in runs:
        for stage in STAGES:
            table = spo.balance(run.snapshot(stage))
            for section, items in table.groupby("section", sort=False):
                used, found, rest = (items[items["kind"] == kind].iloc[0] for kind in ("machine", "listed", "rest"))
                named = items[items["kind"].isin(["explains", "bound"]) & (items["pages"] != 0)]
                known = "unknown owners" not in set(items["item"])
                sizes = [_mib(used["bytes"]), _mib(found["bytes"]) if known else "unknown"]
                unexplained = [f"{_mib(rest['bytes'])} ({100 * rest['share']:.1f} %)" if known else "–"]
                parts = [f"{_mib(size)} {item}" for item, size in zip(named["item"], named["bytes"], strict=True)]
                rows.append([f"{run.title}, {stage}: {section}", *sizes, ", ".join(parts), *unexplained])
    return _table(["", "used", "listed", "explained", "unexplained"], rows)


def _moved(run: Run) -> str:
    names = list(STAGES)[1:]
    diffs = [_diff(run, a, b) for a, b in pairwise(names)]
    return "\n\n".join([f"### {run.title}", *diffs])


_ACTORS = 'comm in ["dd", "DD", "cat"]'


def _diff(run: Run, a: str, b: str) -> str:
    command = ["spo-trace", "diff", f"{a}.spo", f"{b}.spo", "--by", "comm", "--where", _ACTORS]
    done = subprocess.run([spo_trace(), *command[1:]], cwd=run.out, capture_output=True, text=True, check=True)
    return f"`{shlex.join(command)}`:\n\n```text\n{done.stdout.rstrip()}\n```"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (guest.GuestError, kernels.KernelMissing) as error:
        sys.exit(f"error: {error}")
