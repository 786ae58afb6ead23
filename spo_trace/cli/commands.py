# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names of the commands."""

__all__ = ["COMMANDS"]

# In the order in which a new user needs them.
COMMANDS = (
    "doctor",
    "snapshot",
    "capture-script",
    "collector",
    "trace",
    "explain",
    "report",
    "diff",
    "watch",
    "trend",
    "verify",
    "blockers",
    "page",
    "export",
    "simulate",
    "demo",
)
