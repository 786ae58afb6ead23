# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile and attach the probes, under the system's Python: the standard library and bcc alone."""
