# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace snapshot."""

import os
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Backend, Force, From, Jobs, Mode, Owner, PageSize, StacksTimeout, Strict, option
from spo_trace.cli.output import access_of, directory_size, note, progress, reading_progress, warn_incomplete
from spo_trace.collect.reading import check_swap_mode, read_machine
from spo_trace.collect.relay import resumed
from spo_trace.errors import UsageError
from spo_trace.files.access import Access
from spo_trace.limits import MAX_FILE_NAME_BYTES
from spo_trace.snapshots.directory import snapshot_directory
from spo_trace.sources.backends import backend_name, default_jobs
from spo_trace.sources.live_capture import LiveRequest
from spo_trace.sources.memory_plan import check_method

if TYPE_CHECKING:
    from spo_trace.snapshots.reader import Snapshot

__all__ = ["command"]


Target = Annotated[
    Path | None,
    option("-o", "--output", shows="NAME.spo", help="Snapshot to write. Default: HOST-TIME.spo or INPUT-TIME.spo."),
]
Stage = Annotated[
    str | None, option("--stage", shows="NAME", help="Stage of the simulated scenario. Default: the last one.")
]
Swap = Annotated[
    str,
    option(
        "--swap",
        shows="MODE",
        help="Source of owners of swap: debugfs, bpf (a running spo-trace trace), auto (debugfs, else bpf) or none.",
        default=True,
    ),
]
Method = Annotated[
    str,
    option(
        "--method",
        shows="NAME",
        help="How this machine is read. memory: owners out of the kernel's memory (/proc/kcore or BPF), which hardly "
        "disturbs it. text: page_owner's own text. auto: memory if a few dozen records are the same in both, or if "
        "debugfs cannot be read, else text.",
        default=True,
    ),
]


@guarded
def command(
    output: Target = None,
    from_: From = None,
    backend: Backend = None,
    stage: Stage = None,
    swap: Swap = "auto",
    method: Method = "auto",
    jobs: Jobs = None,
    stacks_timeout: StacksTimeout = 10.0,
    page_size: PageSize = None,
    strict: Strict = False,
    owner: Owner = None,
    mode: Mode = None,
    force: Force = False,
) -> None:
    """Take a snapshot of who owns memory and swap.

    Reads this machine (as root, booted with page_owner=on), or a capture of another machine:

    \b
        sudo spo-trace snapshot -o now.spo
        spo-trace snapshot --from capture.tar.gz -o then.spo
    """
    if str(output) == "-":
        raise UsageError(
            "a snapshot is a directory and can't be written to standard output", hint="name it: -o NAME.spo"
        )
    target = output or _default_name(from_ or [])
    access = access_of(owner, mode, target)
    if stage is None and backend_name(backend, from_ or []) == "live":
        check_swap_mode(swap)
        check_method(method)
        request = LiveRequest(jobs or default_jobs(), stacks_timeout, method=method)
        snap = _read_this_machine(request, target, access, force=force, swap=swap, page_size=page_size, strict=strict)
    else:
        from spo_trace.api.snapshot import snapshot

        snap = snapshot(
            target,
            from_=from_,
            backend=backend,
            stage=stage,
            swap=swap,
            method=method,
            jobs=jobs,
            page_size=page_size,
            strict=strict,
            force=force,
            owner=owner,
            mode=access.mode,
            progress=progress(),
        )
    warn_incomplete(snap.meta)
    _note_result(snap, target)


# The machine is read before numpy, pyarrow and typer are loaded: see collect/reading.py.
def _read_this_machine(
    request: LiveRequest, target: Path, access: Access, *, force: bool, swap: str, page_size: int | None, strict: bool
) -> "Snapshot":
    handed_over = resumed()
    target = handed_over.target if handed_over else target
    with (
        snapshot_directory(
            target, access=access, force=force, handover=handed_over.handover if handed_over else None
        ) as output,
        read_machine(
            output, request, swap=swap, progress=reading_progress(), target=target, resumed=handed_over
        ) as reading,
    ):
        from spo_trace.collect.snapshot import source_of, write_snapshot

        write_snapshot(
            output,
            source_of(reading),
            reading,
            swap=swap,
            strict=strict,
            jobs=request.jobs,
            page_size=page_size,
            progress=progress(),
        )
    from spo_trace.snapshots.reader import Snapshot

    return Snapshot(target)


_METHOD_NOTES = {"memory": "Owners from memory were not compared with page_owner", "text": "Memory was not read"}


def _note_result(snap: "Snapshot", target: Path) -> None:
    from spo_trace.reporters.format import counted, format_size

    files, swap_owner = snap.meta.files, snap.meta.swap_owner
    rows = [
        counted(files[name].records, f"{name} record") for name in ("page_owner", "swap_page_owner") if name in files
    ]
    if "bpf" in files:
        rows.append(counted(files["bpf"].records, "swap entry from the probes", "swap entries from the probes"))
    rows.append(counted(snap.count("stacks"), "stack"))
    note(f"Wrote {target}: {', '.join(rows)}, {directory_size(target)}")
    if cost := snap.meta.cost:
        own = (cost.own_pages or 0) * snap.page_size
        listed = f"; {format_size(own)} of the listed memory is of spo-trace itself" if own else ""
        note(f"Took {cost.seconds:.1f} s; all files were read within {cost.skew_seconds:.1f} s{listed}")
    if why := snap.meta.method_why:
        note(f"{_METHOD_NOTES[snap.meta.method or 'text']}: {why}")
    if swap_owner.why:
        note(f"Swap owners: none ({swap_owner.why.text})")
    if unknown := swap_owner.unknown_pages:
        size = format_size(unknown * snap.page_size)
        note(f"Swap owners: unknown for {size}, swapped out before the probes were attached")


def _default_name(paths: list[str]) -> Path:
    base = "" if not paths or paths == ["-"] else _without_endings(Path(paths[0]).absolute().name)
    base = base or os.uname().nodename
    ending = strftime("-%Y%m%dT%H%M%SZ.spo", gmtime())
    while len(os.fsencode(base + ending)) > MAX_FILE_NAME_BYTES:
        base = base[:-1]
    return Path(base + ending)


def _without_endings(name: str) -> str:
    for ending in (".gz", ".xz", ".zst", ".lz4", ".bz2", ".tgz", ".tar", ".txt", ".toml"):
        name = name.removesuffix(ending)
    return name
