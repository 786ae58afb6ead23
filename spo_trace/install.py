# SPDX-License-Identifier: LGPL-2.1-or-later
"""How spo-trace is installed: the commands that hints name."""

__all__ = ["INSTALL_PLOT", "UPGRADE"]

# There is no published package yet: both are run in a checkout.
INSTALL_PLOT = "in a checkout of spo-trace: pip install '.[plot]'"
UPGRADE = "upgrade: git pull && pip install . in a checkout of spo-trace"
