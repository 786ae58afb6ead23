# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a snapshot is kept: a directory of Parquet tables."""
