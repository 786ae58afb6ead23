# SPDX-License-Identifier: LGPL-2.1-or-later
"""LRU lists, which decide the order of reclaim."""

from collections import OrderedDict

from spo_trace.simulator.objects import Page
from spo_trace.simulator.printer import PAGE_FLAGS

__all__ = ["Lru"]

_ACTIVE = PAGE_FLAGS["active"]
_REFERENCED = PAGE_FLAGS["referenced"]
_UNEVICTABLE = PAGE_FLAGS["unevictable"]
_DEACTIVATE_BATCH = 32

PageList = OrderedDict[Page, None]


class Lru:
    """The LRU lists of one node, oldest page first; `nr_pages(list)` is a list's size in base pages."""

    def __init__(self) -> None:
        self.inactive_anon: PageList = OrderedDict()
        self.active_anon: PageList = OrderedDict()
        self.inactive_file: PageList = OrderedDict()
        self.active_file: PageList = OrderedDict()
        self.unevictable: PageList = OrderedDict()

    def add(self, page: Page) -> None:
        """Add a new page to the list for its flags and kind."""
        if page.flags & _UNEVICTABLE:
            pages = self.unevictable
        elif page.site.kind == "file":
            pages = self.active_file if page.flags & _ACTIVE else self.inactive_file
        else:
            pages = self.active_anon if page.flags & _ACTIVE else self.inactive_anon
        pages[page] = None
        page.lru = pages

    def remove(self, page: Page) -> None:
        """Remove the page from its list, if it is on one."""
        if page.lru is not None:
            del page.lru[page]
            page.lru = None

    def mark_accessed(self, page: Page) -> None:
        """Mark the page referenced at the first access and active at the second (mm/swap.c, 7.2)."""
        if page.flags & _UNEVICTABLE or not page.flags & _REFERENCED:
            page.flags |= _REFERENCED
        elif not page.flags & _ACTIVE:
            page.flags &= ~_REFERENCED
            self.activate(page)

    def activate(self, page: Page) -> None:
        """Move the page to its active list."""
        if not page.flags & _UNEVICTABLE:
            self.remove(page)
            page.flags |= _ACTIVE
            self.add(page)

    def victims(self, *, anon: bool) -> list[Page]:
        """Return the oldest reclaimable pages: page cache first; with `anon`, then anon and tmpfs pages."""
        for inactive, active in self._pairs(anon):
            if not inactive:
                self._deactivate(active)
            if inactive:
                return [page for page, _ in zip(inactive, range(_DEACTIVATE_BATCH), strict=False)]
        return []

    def nr_pages(self, pages: PageList) -> int:
        """Return the base pages on the list."""
        return sum(1 << page.order for page in pages)

    # Inactive page cache is reclaimed first, active page cache last, because running processes need it.
    def _pairs(self, anon: bool) -> list[tuple[PageList, PageList]]:
        nothing: PageList = OrderedDict()
        pairs = [(self.inactive_file, nothing)]
        if anon:
            pairs.append((self.inactive_anon, self.active_anon))
        return [*pairs, (self.inactive_file, self.active_file)]

    def _deactivate(self, active: PageList) -> None:
        for page in [page for page, _ in zip(active, range(_DEACTIVATE_BATCH), strict=False)]:
            self.remove(page)
            page.flags &= ~_ACTIVE
            self.add(page)
