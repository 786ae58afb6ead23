# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace collector."""

from pathlib import Path
from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Force, Mode, Owner, option
from spo_trace.cli.output import access_of, check_output, note
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.files.output_file import written
from spo_trace.native.collector import program

__all__ = ["command"]

_OTHERWISE = "spo-trace capture-script needs only a shell"

Target = Annotated[Path, option("-o", "--output", shows="FILE", help="File to write.")]


@guarded
def command(output: Target, owner: Owner = None, mode: Mode = None, force: Force = False) -> None:
    """Write the collector to a file: a static program for machines without Python.

    The program copies page_owner and the other files that a snapshot needs into a new directory, or as a tar archive
    to standard output. It needs root, about 2 MB of memory, and the architecture of this machine.

    \b
        spo-trace collector -o spo-collect
        scp spo-collect root@HOST:
        ssh root@HOST ./spo-collect | spo-trace report -
    """
    if str(output) == "-":
        raise UsageError("the collector is a program and is not written to standard output", hint="name it: -o FILE")
    check_output(output, force=force)
    found = program()
    if found is None:
        raise SpoTraceError(
            "spo-trace was installed without the collector",
            hint=f"reinstall it with a C compiler available; {_OTHERWISE}",
        )
    if not found.is_static:
        raise SpoTraceError(
            "the collector is not static: it would not run on a machine with other libraries",
            hint=f"reinstall spo-trace with static libraries of C and zlib available; {_OTHERWISE}",
        )
    access = access_of(owner, mode, output)
    # Who may read a program may run it.
    access = access._replace(mode=access.mode | (access.mode & 0o444) >> 2)
    with written(output, access, force=force) as file:
        file.write(found.content)
    note(f"Wrote {output}: a static program for Linux on {found.architecture}")
