# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace capture-script."""

from spo_trace.cli.errors import guarded
from spo_trace.cli.output import check_stdout
from spo_trace.files.bundled import capture_script

__all__ = ["command"]


@guarded
def command() -> None:
    """Print a shell script for machines without Python.

    The script captures page_owner and the other files that a snapshot needs. It needs root and a POSIX shell (busybox
    works), and compresses the archive if gzip is installed. It writes to the archive named by its argument
    (default: capture.tar.gz, without gzip capture.tar), or to standard output if the argument is -.

    \b
        spo-trace capture-script | ssh root@HOST sh -s -- - > capture.tar.gz
        spo-trace report capture.tar.gz
    """
    check_stdout()
    print(capture_script().read_text(), end="")
