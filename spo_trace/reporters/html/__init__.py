# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTML reports: each is one self-contained file."""
