# SPDX-License-Identifier: LGPL-2.1-or-later
"""Findings: what stands out in a snapshot, as sentences with their evidence."""
