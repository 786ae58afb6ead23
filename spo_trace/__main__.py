# SPDX-License-Identifier: LGPL-2.1-or-later
"""`python -m spo_trace`, where the command line is not in PATH."""

from spo_trace.cli import main

if __name__ == "__main__":
    main()
