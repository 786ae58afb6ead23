# SPDX-License-Identifier: LGPL-2.1-or-later
"""LRU lists: which page is reclaimed next."""

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
    """Keep the LRU lists of one node, oldest page first; sizes are in `nr_pages(list)` base pages."""

    def __init__(self) -> None:
        self.inactive_anon: PageList = OrderedDict()
        self.active_anon: PageList = OrderedDict()
        self.inactive_file: PageList = OrderedDict()
        self.active_file: PageList = OrderedDict()
        self.unevictable: PageList = OrderedDict()

    def add(self, page: Page) -> None:
        """Put a new page on the list that its flags and kind say."""
        if page.flags & _UNEVICTABLE:
            pages = self.unevictable
        elif page.site.kind == "file":
            pages = self.active_file if page.flags & _ACTIVE else self.inactive_file
        else:
            pages = self.active_anon if page.flags & _ACTIVE else self.inactive_anon
        pages[page] = None
        page.lru = pages

    def remove(self, page: Page) -> None:
        """Take the page off its list, if it is on one."""
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
        """Return the oldest pages to reclaim: page cache, then, if `anon`, anon and tmpfs; or none."""
        for inactive, active in self._pairs(anon):
            if not inactive:
                self._deactivate(active)
            if inactive:
                return [page for page, _ in zip(inactive, range(_DEACTIVATE_BATCH), strict=False)]
        return []

    def nr_pages(self, pages: PageList) -> int:
        """Return the base pages on the list."""
        return sum(1 << page.order for page in pages)

    # Page cache that nobody uses goes first; what is in use goes last, since without it nothing runs.
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
