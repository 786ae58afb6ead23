# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process that is replaced by another program leaves to it."""

from typing import NamedTuple

__all__ = ["Handover"]


class Handover(NamedTuple):
    """Hold the open directories of an output directory, and its names in them."""

    parent: int
    fd: int
    temporary: str
    workspace: str
