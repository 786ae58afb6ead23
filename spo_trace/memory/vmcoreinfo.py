# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMCOREINFO: what a kernel says about itself to readers of its memory (kernel/vmcore_info.c)."""

import re

from spo_trace.limits import MAX_VMCOREINFO_BYTES

__all__ = ["Vmcoreinfo"]

_LINE = re.compile(rb"^([^=\n]{1,80})=([^\n]{0,400})$", re.MULTILINE)


class Vmcoreinfo:
    """Look up the lines of the note, NAME=VALUE; a kernel without CONFIG_VMCORE_INFO has none of them."""

    def __init__(self, text: bytes = b"") -> None:
        """Read the note's text; `lines` has all of them."""
        lines = _LINE.findall(text[:MAX_VMCOREINFO_BYTES])
        self.lines = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}

    def __bool__(self) -> bool:
        """Return whether there is any line."""
        return bool(self.lines)

    def text(self, name: str) -> str | None:
        """Return the value of line `name`, None if there is no such line."""
        return self.lines.get(name)

    def number(self, name: str) -> int | None:
        """Return a decimal value, such as of PAGESIZE, NUMBER(phys_base) or LENGTH(zone.free_area)."""
        return self._integer(name, 10)

    def symbol(self, name: str) -> int | None:
        """Return the address of SYMBOL(name)."""
        return self._integer(f"SYMBOL({name})", 16)

    def _integer(self, name: str, base: int) -> int | None:
        value = self.lines.get(name, "")
        try:
            found = int(value, base) if len(value) <= 20 else None
        except ValueError:
            return None
        return None if found is None or not -(1 << 63) <= found < 1 << 64 else found
