# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace snapshot."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from spo_trace.cli.guard import guarded
from spo_trace.cli.options import Force, Jobs, Strict
from spo_trace.cli.output import note, progress, size_of, tell_collected
from spo_trace.errors import UsageError
from spo_trace.reporters.format import format_size

__all__ = ["command"]


@guarded
def command(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="NAME.spo",
            help="The snapshot to make. Default: from host or input, and time.",
        ),
    ] = None,
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="A capture: a directory, a tar archive, single files (repeat it), - for stdin; gz, xz, zst, lz4, bz2 "
            "too. Or the simulator's scenario.",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="live (default), capture (default with --from) or simulator.",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="NAME", help="The simulator's stage; default: the last.")
    ] = None,
    swap: Annotated[
        str,
        typer.Option(
            "--swap",
            metavar="MODE",
            help="Owners of swap: auto (debugfs, else bpf), debugfs, bpf (of a running spo-trace trace) or none.",
        ),
    ] = "auto",
    jobs: Jobs = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Take a snapshot of who owns memory and swap.

    On a machine booted with page_owner=on (as root), or of files that were captured on one:

    \b
        sudo spo-trace snapshot -o now.spo
        spo-trace snapshot --from capture.tar.gz -o then.spo
    """
    from spo_trace import api

    if str(output) == "-":
        raise UsageError("a snapshot is a directory, and can't go to standard output", hint="name it: -o NAME.spo")
    target = output or _default_name(from_ or [])
    snap = api.snapshot(
        target,
        from_=from_,
        backend=backend,
        stage=stage,
        swap=swap,
        jobs=jobs,
        strict=strict,
        force=force,
        progress=progress(),
    )
    tell_collected(snap.meta)
    files = snap.meta["files"]
    rows = [f"{files[name]['records']:,} {name} records" for name in ("page_owner", "swap_page_owner") if name in files]
    swap_owner = snap.meta["swap_owner"]
    if swap_owner["origin"] == "bpf":
        rows.append(f"{files['bpf']['records']:,} swap entries from the probes")
    note(f"Wrote {target}: {', '.join(rows)}, {snap.count('stacks'):,} stacks, {size_of(target)}")
    if cost := snap.meta["cost"]:
        own = (cost["own_pages"] or 0) * snap.page_size
        listed = f"; {format_size(own)} of what is listed are its own" if own else ""
        note(f"It took {cost['seconds']:.1f} s, and read its files within {cost['skew_seconds']:.1f} s{listed}")
    if swap_owner["why"]:
        note(f"Swap owners: none ({swap_owner['why']})")
    if unknown := swap_owner.get("unknown_pages"):
        size = format_size(unknown * snap.page_size)
        note(f"Swap owners: unknown for {size}, in swap since before the probes were attached")


def _default_name(paths: list[str]) -> Path:
    base = "" if not paths or paths == ["-"] else _without_endings(Path(paths[0]).absolute().name)
    return Path(f"{base or socket.gethostname()}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.spo")


def _without_endings(name: str) -> str:
    for ending in (".gz", ".xz", ".zst", ".lz4", ".bz2", ".tgz", ".tar", ".txt", ".toml"):
        name = name.removesuffix(ending)
    return name
