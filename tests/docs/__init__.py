# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents, and what holds them to the truth."""
