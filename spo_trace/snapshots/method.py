# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the owners of a snapshot were read."""

from enum import StrEnum

__all__ = ["Method"]


class Method(StrEnum):
    """Name a method; the value is in snapshot.json.

    TEXT: page_owner's own text. MEMORY: the running kernel's memory. DUMP: a dump of memory. AGGREGATE: not page by
    page, but out of counts of allocations, or dumps of single pages.
    """

    TEXT = "text"
    MEMORY = "memory"
    DUMP = "dump"
    AGGREGATE = "aggregate"
