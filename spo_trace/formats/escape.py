# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reversible escapes that make names safe to print; any user can choose a comm or a memcg name."""

from functools import lru_cache

__all__ = ["escape", "printable", "unescape"]


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
    return _octal(char)


def printable(text: str) -> str:
    r"""Return text that may already be escaped, with every other character escaped that `escape` would escape.

    Snapshots, file names and host names are not trusted: they may contain what the parser never writes.

    >>> printable("a\\b\x1b[1m")
    'a\\b\\033[1m'
    """
    return text if text.isprintable() else "".join("\\n" if char == "\n" else _octal(char) for char in text)


def _octal(char: str) -> str:
    if char.isprintable():
        return char
    try:
        raw = char.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # A surrogate that stands for no byte, from the JSON of a snapshot.
        raw = char.encode("utf-8", "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in raw)


def unescape(text: str) -> bytes:
    r"""Return the bytes that `escape` turned into `text`.

    >>> unescape("a\\\\b\\n\\033[1m\\377")
    b'a\\b\n\x1b[1m\xff'
    """
    raw = bytearray()
    position = 0
    while position < len(text):
        char = text[position]
        if char != "\\":
            raw += char.encode()
            position += 1
        elif text[position + 1] in "n\\":
            raw += b"\n" if text[position + 1] == "n" else b"\\"
            position += 2
        else:
            raw.append(int(text[position + 1 : position + 4], 8))
            position += 4
    return bytes(raw)
