# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace demo."""

import os
import sys
from pathlib import Path

from spo_trace.cli import diff, report, simulate, snapshot, verify
from spo_trace.cli.errors import guarded

__all__ = ["command"]


@guarded
def command() -> None:
    """Show the main use case in seconds, without root.

    Runs simulate, snapshot, report, diff and verify on the experiment of the swap_page_owner RFC: dd fills 256 MiB of
    tmpfs, DD forces it out to swap, cat reads it back. First with a simulated machine, then (in a source tree) with
    captures of real kernels.
    """
    from spo_trace.files.bundled import real_captures
    from spo_trace.files.scratch import scratch_directory

    directory = scratch_directory()
    _say("A simulated machine: 458 MiB of memory, 1 GiB of swap, a kernel with the RFC's patches")
    _show("simulate rfc-after -o rfc-after")
    simulate.command("rfc-after", directory / "rfc-after", owner=_oneself())
    _tour(directory / "rfc-after", directory, ["1-dd256", "2-swapped"])
    captures = real_captures()
    if captures:
        _say("The same experiment on Linux 7.2 with the patches: pages that came back from swap still belong to dd")
        _report(captures / "7.2-spo" / "3-back", "fixtures/captures/7.2-spo/3-back")
        _say("The same on Linux 7.2 without the patches: they now belong to cat, which only read the file")
        _report(captures / "7.2-stock" / "3-back", "fixtures/captures/7.2-stock/3-back")


def _tour(captures: Path, directory: Path, stages: list[str]) -> None:
    names = [directory / f"{stage}.spo" for stage in stages]
    for stage, name in zip(stages, names, strict=True):
        _show(f"snapshot --from rfc-after/{stage} -o {name.name}")
        snapshot.command(name, [str(captures / stage)], owner=_oneself())
    _show(f"report {names[1].name} --top 5")
    report.command(str(names[1]), top=5)
    _show(f"report {names[1].name} --by stack --sort swap --top 1")
    report.command(str(names[1]), by=["stack"], top=1, sort="swap")
    _show(f"diff {names[0].name} {names[1].name} --by category,comm --top 5")
    diff.command(str(names[0]), str(names[1]), by=["category,comm"], top=5)
    _show(f"verify {names[1].name}")
    verify.command(str(names[1]))


# The files are removed at the end, so under sudo there is no need to change their owner.
def _oneself() -> str:
    return f"{os.geteuid()}:{os.getegid()}"


def _report(capture: Path, shown: str) -> None:
    _show(f"report {shown} --by comm,swapped --top 4")
    report.command(str(capture), by=["comm,swapped"], top=4)


# Flush, so that data on stdout and notes on stderr appear in order.
def _say(text: str) -> None:
    sys.stdout.flush()
    print(f"\n## {text}", flush=True)


def _show(arguments: str) -> None:
    print(f"\n$ spo-trace {arguments}", flush=True)
