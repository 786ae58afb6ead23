# SPDX-License-Identifier: LGPL-2.1-or-later
"""Load and attach the probes with libbpf or, under the system's Python, bcc, and only the standard library."""
