# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other people's libraries for the pages, each under its own licence: see README.md."""
