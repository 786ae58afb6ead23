# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names of the commands, and of the variable that asks for completions."""

__all__ = ["COMMANDS", "COMPLETION", "GROUPS"]

# By this variable, the script of `spo-trace completion` asks the command line for completions; typer chooses its name.
COMPLETION = "_SPO_TRACE_COMPLETE"

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
    "metrics",
    "simulate",
    "demo",
    "completion",
    # typer lists groups of commands last.
    "fleet",
)

# The commands below another one.
GROUPS = {"fleet": ("add", "report", "diff", "outliers", "check", "compact")}
