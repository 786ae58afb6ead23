# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text for terminals and logs; names of files, processes and cgroups may contain control characters."""

__all__ = ["octal", "printable"]


def printable(text: str) -> str:
    r"""Return text that may already be escaped, with all other characters escaped that `formats.escape` would escape.

    Snapshots, file names and host names are not trusted: they may contain what the parser never writes.

    >>> printable("a\\b\x1b[1m")
    'a\\b\\033[1m'
    """
    return text if text.isprintable() else "".join("\\n" if char == "\n" else octal(char) for char in text)


def octal(char: str) -> str:
    r"""Return a character that is not printable as the octal numbers of its bytes, and any other one unchanged.

    >>> octal("\x1b"), octal("x")
    ('\\033', 'x')
    """
    if char.isprintable():
        return char
    try:
        raw = char.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # A surrogate that stands for no byte, from the JSON of a snapshot.
        raw = char.encode("utf-8", "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in raw)
