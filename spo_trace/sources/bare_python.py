# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command of a child process that runs one module of spo-trace and the standard library alone."""

import sys

from spo_trace.native.collector import PATH

__all__ = ["bare_python"]

# The directory of the package.
_PACKAGES = str(PATH.parents[2])

_START = "import sys; sys.path.append(sys.argv[1]); from {} import main; main(sys.argv[2:])"


def bare_python(module: str) -> list[str]:
    """Return the command that calls `main` of a module with the arguments that follow.

    -I and -S: neither the environment nor installed packages are to change what runs as root, and site takes memory.
    """
    return [sys.executable, "-I", "-S", "-c", _START.format(module), _PACKAGES]
