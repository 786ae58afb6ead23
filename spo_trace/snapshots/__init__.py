# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots on disk: a directory of Parquet tables and snapshot.json."""
