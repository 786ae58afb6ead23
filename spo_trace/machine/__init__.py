# SPDX-License-Identifier: LGPL-2.1-or-later
"""What this machine's kernel offers, and what prevents page_owner from being read. Uses only the standard library."""
