# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a stack, as profilers want them: function, module and the kernel's text apart."""

from typing import NamedTuple

import pandas as pd

__all__ = ["Frame", "frames_of", "name_of"]


class Frame(NamedTuple):
    """Hold one frame: `function` without offsets, `module` (vmlinux for the kernel itself), `text` as %pS prints it."""

    function: str
    module: str
    text: str


def frames_of(stack: str, symbols: str) -> list[Frame]:
    """Return the frames of the keys `stack` and `symbols` of one row, innermost first.

    >>> frames_of("get_page+0x1/0x2;ext4_read+0x3/0x4 [ext4]", "get_page;ext4_read")[1]
    Frame(function='ext4_read', module='ext4', text='ext4_read+0x3/0x4 [ext4]')
    """
    texts, functions = stack.split(";"), symbols.split(";")
    if len(texts) != len(functions):
        # A line that is no frame, with a semicolon in it, got in between the frames.
        functions = texts
    return [Frame(function, _module(text), text) for text, function in zip(texts, functions, strict=True)]


# "[ext4]", or "[ext4 0123abcd]" of kernels that print a module's build id.
def _module(text: str) -> str:
    name = text.rpartition(" [")[2].removesuffix("]").split(" ")[0]
    return name if text.endswith("]") and name else "vmlinux"


def name_of(value: object, what: str = "comm") -> str:
    """Return a name that the kernel printed, or that it printed none; an empty name in quotes, to be seen."""
    return f"(no {what})" if pd.isna(value) else str(value) or '""'  # type: ignore[call-overload]
