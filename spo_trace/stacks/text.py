# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stack as one line of text. No other module joins or splits frames."""

import re
from collections.abc import Iterable

__all__ = ["join_frames", "split_frames"]

_SEPARATOR = ";"

# The notation of formats.escape, which also doubles each backslash, so a frame never contains this sequence itself.
_ESCAPED = r"\073"

_BACKSLASH = re.compile(r"\\(?:\\|073)")


def join_frames(frames: Iterable[str]) -> str:
    r"""Return frames, escaped as in a snapshot, as one string; a ";" inside a frame becomes `\073`.

    >>> join_frames(["alloc_pages+0x1/0x2", "a;b"])
    'alloc_pages+0x1/0x2;a\\073b'
    """
    return _SEPARATOR.join(frame.replace(_SEPARATOR, _ESCAPED) for frame in frames)


def split_frames(text: str) -> tuple[str, ...]:
    r"""Return the frames of a string made by `join_frames`.

    >>> split_frames("alloc_pages+0x1/0x2;a\\073b")
    ('alloc_pages+0x1/0x2', 'a;b')
    """
    return tuple(_BACKSLASH.sub(_unescaped, frame) for frame in text.split(_SEPARATOR))


def _unescaped(match: re.Match[str]) -> str:
    return _SEPARATOR if match[0] == _ESCAPED else match[0]
