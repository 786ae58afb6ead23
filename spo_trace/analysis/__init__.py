# SPDX-License-Identifier: LGPL-2.1-or-later
"""Analysis of snapshots, as pure functions: attribution, differences, the balance, trends."""
