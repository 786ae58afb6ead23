# SPDX-License-Identifier: LGPL-2.1-or-later
"""Third-party libraries for the HTML reports, each under its own licence: see README.md."""
