# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input that has something else than a record for each page: counts of allocations, or dumps of single pages."""

from enum import StrEnum

__all__ = ["AggregateKind"]


class AggregateKind(StrEnum):
    """Name what an aggregate is made of; the value is in snapshot.json, and names the text in messages.

    PAGE_OWNER_SORT: the output of tools/mm/page_owner_sort, or of a script like it. SHOW_STACKS, SHOW_HANDLES: the
    kernel's counts for each stack (page_owner_stacks). PAGE_DUMP: what dump_page() and debuggers print of single pages.
    """

    PAGE_OWNER_SORT = "page_owner_sort"
    SHOW_STACKS = "show_stacks"
    SHOW_HANDLES = "show_handles"
    PAGE_DUMP = "page_dump"

    @property
    def shown(self) -> str:
        """Return the name for users."""
        return _TITLES[self]


_TITLES = {
    AggregateKind.PAGE_OWNER_SORT: "the output of page_owner_sort",
    AggregateKind.SHOW_STACKS: "the kernel's counts by stack (show_stacks)",
    AggregateKind.SHOW_HANDLES: "the kernel's counts by handle (show_handles)",
    AggregateKind.PAGE_DUMP: "a dump of single pages",
}
