# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace capture-script."""

from spo_trace.cli.guard import guarded
from spo_trace.files.bundled import capture_script

__all__ = ["command"]


@guarded
def command() -> None:
    """Print a shell script for machines without Python.

    The script captures page_owner and what belongs to it. It needs root and a POSIX shell (busybox too), and
    compresses while it reads if there is gzip. It writes capture.tar.gz, or an archive of the name that it is given;
    with - to standard output.

    \b
        spo-trace capture-script | ssh root@HOST sh -s -- - > capture.tar.gz
        spo-trace report capture.tar.gz
    """
    print(capture_script().read_text(), end="")
