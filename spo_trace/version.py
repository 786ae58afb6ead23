# SPDX-License-Identifier: LGPL-2.1-or-later
"""The version of spo-trace, apart so that the build reads it without importing the rest."""

__version__ = "0.1.0"
