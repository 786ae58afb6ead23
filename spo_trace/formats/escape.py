# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reversible escapes that make names safe to print; any user can choose a comm or a memcg name."""

import re
from functools import lru_cache

from spo_trace.printable import octal

__all__ = ["escape", "unescape"]

_ESCAPED = re.compile(rb"\\(n|\\|[0-3][0-7]{2})")


@lru_cache(maxsize=1 << 16)
def escape(raw: bytes) -> str:
    r"""Return `raw` as printable text.

    Newline and backslash become ``\n`` and ``\\`` as in /proc/PID/status (proc_task_name(), fs/proc/array.c,
    Linux 4.0+); every other byte that is not part of printable UTF-8 becomes ``\ooo``.

    >>> escape(b"a\\b\n\x1b[1m\xff")
    'a\\\\b\\n\\033[1m\\377'
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape_char, text))


# isprintable() is false for C0, C1, surrogates (bytes that are not UTF-8), line separators, bidirectional overrides.
def _escape_char(char: str) -> str:
    if char == "\n":
        return "\\n"
    if char == "\\":
        return "\\\\"
    return octal(char)


def unescape(text: str) -> bytes:
    r"""Return the bytes that `escape` turned into `text`; a backslash that is part of no escape stays.

    >>> unescape("a\\\\b\\n\\033[1m\\377")
    b'a\\b\n\x1b[1m\xff'
    """
    return _ESCAPED.sub(_unescaped, text.encode())


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return {b"n": b"\n", b"\\": b"\\"}.get(code) or bytes([int(code, 8)])
