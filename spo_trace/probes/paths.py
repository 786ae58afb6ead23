# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a running trace has its files."""

from pathlib import Path

__all__ = ["RUN", "SOCKET"]

# Writable by root only, and empty after a boot.
RUN = Path("/run/spo-trace")

SOCKET = "trace.sock"
