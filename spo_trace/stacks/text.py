# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stack in one line of text: the only place where frames are joined and split."""

import re
from collections.abc import Iterable

__all__ = ["join_frames", "split_frames"]

_SEPARATOR = ";"

# As `escape` writes any byte. It also doubles each backslash of a frame, so that the frame itself never has this.
_ESCAPED = r"\073"

_BACKSLASH = re.compile(r"\\(?:\\|073)")


def join_frames(frames: Iterable[str]) -> str:
    r"""Return the frames, escaped as in a snapshot, as one text; a ";" inside a frame becomes `\073`.

    >>> join_frames(["alloc_pages+0x1/0x2", "a;b"])
    'alloc_pages+0x1/0x2;a\\073b'
    """
    return _SEPARATOR.join(frame.replace(_SEPARATOR, _ESCAPED) for frame in frames)


def split_frames(text: str) -> tuple[str, ...]:
    r"""Return the frames that `join_frames` joined.

    >>> split_frames("alloc_pages+0x1/0x2;a\\073b")
    ('alloc_pages+0x1/0x2', 'a;b')
    """
    return tuple(_BACKSLASH.sub(_unescaped, frame) for frame in text.split(_SEPARATOR))


def _unescaped(match: re.Match[str]) -> str:
    return _SEPARATOR if match[0] == _ESCAPED else match[0]
