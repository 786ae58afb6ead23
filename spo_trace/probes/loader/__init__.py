# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile and attach the probes under the system's Python, with only the standard library and bcc."""
