# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reporters: each formats a DataFrame and writes it to an open file."""
