# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's command line (/proc/cmdline)."""

import re

__all__ = ["boot_option", "switches_on", "wants_swap"]

# First characters that kstrtobool() takes as true.
_ON = re.compile(r"[yYtT1]|[oO][nN]")


def boot_option(cmdline: str | None, name: str) -> str | None:
    """Return the last value of `NAME=value`, None if the command line has none."""
    # What follows `--` is passed to init.
    words = (cmdline or "").split(" -- ")[0].split()
    values = [word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}=")]
    return values[-1] if values else None


def switches_on(value: str | None) -> bool:
    """Return whether page_owner=`value` enables page_owner."""
    return value is not None and bool(_ON.match(value))


def wants_swap(cmdline: str | None) -> bool:
    """Return whether a kernel's command line requests the owners of swap (`page_owner=on,swap`)."""
    return "swap" in (boot_option(cmdline, "page_owner") or "").split(",")
