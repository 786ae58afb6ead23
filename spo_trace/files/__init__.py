# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output files and directories: written by descriptor, complete when they appear, and private to their owner."""
