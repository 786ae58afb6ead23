# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a stack for profilers: function, module and the text of the kernel."""

from collections.abc import Sequence
from typing import NamedTuple

from spo_trace.stacks.text import join_frames

__all__ = ["Frame", "frames_of", "text_of"]


class Frame(NamedTuple):
    """Hold one frame: `function` without offsets, `module` (vmlinux for the kernel itself), `text` as %pS prints it."""

    function: str
    module: str
    text: str


def frames_of(stack: Sequence[str], symbols: Sequence[str]) -> list[Frame]:
    """Return the frames of the keys `stack` and `symbols` of one row, innermost first.

    >>> frames_of(("get_page+0x1/0x2", "ext4_read+0x3/0x4 [ext4]"), ("get_page", "ext4_read"))[1]
    Frame(function='ext4_read', module='ext4', text='ext4_read+0x3/0x4 [ext4]')
    """
    return [Frame(function, _module(text), text) for text, function in zip(stack, symbols, strict=True)]


def text_of(value: object) -> object:
    """Return the frames of a stack as one text, and any other value unchanged."""
    return join_frames(value) if isinstance(value, tuple) else value


# "[ext4]", or "[ext4 0123abcd]" from kernels that print the build id of a module.
def _module(text: str) -> str:
    name = text.rpartition(" [")[2].removesuffix("]").split(" ")[0]
    return name if text.endswith("]") and name else "vmlinux"
