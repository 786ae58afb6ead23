# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of owners that the collector read from memory, by the same interface as those of memory itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from spo_trace.memory.block_sizes import pageblock_order
from spo_trace.memory.row_file import RowFile
from spo_trace.memory.rows import PAGE_ROW, STACK_ROW, SWAP_ROW
from spo_trace.memory.swap_rows import SwapRow

__all__ = ["ROW_FILES", "Owners", "PageOwners", "SwapOwners", "collected_owners"]

# The files of rows in a capture, by the kernel's file with the same records.
ROW_FILES = {"page_owner": "page_owner.rows", "swap_page_owner": "swap_page_owner.rows"}
_COUNTS = "stack_counts.rows"


class PageOwners(Protocol):
    """Give the owners of pages."""

    @property
    def lost(self) -> int:
        """Return the number of base pages that could not be read, after `rows` was read."""
        ...

    def rows(self) -> Iterator[npt.NDArray[Any]]:
        """Yield rows (PAGE_ROW) in ascending order of PFNs, some at a time."""
        ...

    def handles(self) -> set[int]:
        """Return the handles of all stacks of the rows, and maybe of others."""
        ...


class SwapOwners(Protocol):
    """Give the owners of swap entries."""

    @property
    def lost(self) -> int:
        """Return the number of nodes and records that could not be read, after `rows` was read."""
        ...

    def rows(self) -> Iterator[SwapRow]:
        """Yield rows in ascending order of entries."""
        ...

    def handles(self) -> tuple[int, set[int]]:
        """Return the number of rows, and the handles of their stacks; `lost` is that of `rows` after it, too."""
        ...


class Owners(NamedTuple):
    """Hold both; `swap`: None if the kernel keeps none of swap.

    `pageblock_order`: None if it has to be found out. `counts`: references of each stack when its owners were read, by
    handle; None if they are to be read with the stack.
    """

    pages: PageOwners
    swap: SwapOwners | None
    pageblock_order: int | None = None
    counts: Mapping[int, int] | None = None


def collected_owners(directory: Path) -> Owners:
    """Return the owners in a capture of the collector; raise Problem when they are read, if a file is damaged."""
    swap = directory / ROW_FILES["swap_page_owner"]
    pages = _CollectedPages(directory / ROW_FILES["page_owner"], PAGE_ROW)
    order = pageblock_order(directory / "pagetypeinfo")
    return Owners(pages, _CollectedSwap(swap) if swap.exists() else None, order, _counts(directory / _COUNTS))


# Without the file, the kernel does not count pages by stack.
def _counts(path: Path) -> dict[int, int]:
    if not path.exists():
        return {}
    return {handle: count for rows in RowFile(path, STACK_ROW).rows() for handle, count, _ in rows.tolist()}


class _CollectedPages(RowFile):
    def handles(self) -> set[int]:
        found: set[int] = set()
        for rows in self.rows():
            found.update(np.unique(rows["handle"]).tolist())
        return found


class _CollectedSwap:
    def __init__(self, path: Path) -> None:
        self._file = RowFile(path, SWAP_ROW)

    @property
    def lost(self) -> int:
        return self._file.lost

    def rows(self) -> Iterator[SwapRow]:
        for rows in self._file.rows():
            for row in rows.tolist():
                yield SwapRow(*row[:-1])

    def handles(self) -> tuple[int, set[int]]:
        number, found = 0, set()
        for rows in self._file.rows():
            number += len(rows)
            found.update(np.unique(rows["handle"]).tolist())
        return number, found
