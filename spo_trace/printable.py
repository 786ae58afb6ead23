# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text for terminals and logs; names of files, processes and cgroups may contain control characters."""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Return `text` with control characters escaped: the texts of a snapshot are not trusted.

    >>> printable("a\x1b[2J")
    'a\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
