# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet add."""

from collections import Counter
from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.fleet.options import FleetRoot
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.options import Mode, Owner, PageSize, Positional, flag, option
from spo_trace.cli.output import note, warn
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.reporters.format import counted

__all__ = ["command"]

Sources = Annotated[list[str], Positional("SNAPSHOT", "Snapshots (NAME.spo), crash dumps or raw captures.")]
Host = Annotated[
    str | None, option("--host", shows="NAME", help="Name of the machine, instead of the one in the snapshot.")
]
Time = Annotated[
    str | None,
    option("--time", shows="TIME", help="When it was taken, such as 2026-11-29T12:00Z, if the snapshot does not tell."),
]
Label = Annotated[
    list[str] | None,
    option("--label", shows="NAME=VALUE", help="A label of the machine, such as role=web. May be repeated."),
]

KeepRaw = Annotated[
    bool, flag("--keep-raw", help="Keep the snapshots themselves, too, below ROOT/raw, to look at single pages later.")
]


@guarded
def command(
    root: FleetRoot,
    snapshots: Sources,
    host: Host = None,
    time: Time = None,
    label: Label = None,
    keep_raw: KeepRaw = False,
    page_size: PageSize = None,
    owner: Owner = None,
    mode: Mode = None,
) -> None:
    """Add snapshots of any machines to ROOT, which is made if it is missing: a directory, or a URL of an object store.

    \b
        spo-trace fleet add fleet web1.spo web2.spo --label role=web
        spo-trace fleet add fleet capture.tar.gz --host db1 --time 2026-11-29T12:00Z
        spo-trace fleet add s3://bucket/fleet web1.spo

    A fleet keeps the sums of each snapshot by all keys, and each stack once. A snapshot that ROOT has is not added
    again. Snapshots that cannot be read are named, and the others are added; then the exit code is 1.
    """
    import spo_trace as spo
    from spo_trace.collect.temporary import discard
    from spo_trace.files.access import parse_mode

    labels = _labels(label or [])
    permissions = None if mode is None else parse_mode(mode)
    fleet = spo.fleet.open(root, create=True, owner=owner, mode=permissions)
    outcomes: Counter[str] = Counter()
    failed: list[str] = []
    for path in snapshots:
        try:
            snap = open_snapshot(path, page_size=page_size)
            outcomes[fleet.add(snap, host=host, time=time, labels=labels, keep_raw=keep_raw)] += 1
            discard(snap)
        except UsageError:
            raise
        except SpoTraceError as error:
            # With one snapshot, the error says all.
            if len(snapshots) == 1:
                raise
            warn(f"{path} is not added: {error.message}")
            failed.append(path)
    present = f"; {outcomes['present']:,} present before" if outcomes["present"] else ""
    note(f"{counted(outcomes['added'], 'snapshot')} added to {fleet.name}{present}")
    if failed:
        raise SpoTraceError(f"{counted(len(failed), 'snapshot')} not added", hint="the warnings above say why")


def _labels(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--label: {text[:60]!r} has no value", hint="for example: --label role=web")
        found[name] = value
    return found
