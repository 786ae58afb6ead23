# SPDX-License-Identifier: LGPL-2.1-or-later
"""How dumps of memory begin."""

__all__ = ["ELF", "LONGEST", "is_dump"]

ELF, _KDUMP, _FLATTENED = b"\x7fELF", b"KDUMP   ", b"makedumpfile\0"
LONGEST = len(_FLATTENED)


def is_dump(head: bytes) -> bool:
    """Return whether a file that begins with `head` may be a dump."""
    return head.startswith((ELF, _KDUMP, _FLATTENED))
