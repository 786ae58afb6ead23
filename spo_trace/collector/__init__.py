# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-collect (native/collect) in Python, for machines without a C compiler: the same options and the same capture."""
