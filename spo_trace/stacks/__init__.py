# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks of allocations: frames, and what they mean."""
