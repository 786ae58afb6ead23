# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tables say: attribution, difference and balance, as pure functions."""
