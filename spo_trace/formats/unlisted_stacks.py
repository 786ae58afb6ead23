# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks whose handle page_owner prints, but which are missing from the kernel's list of stacks."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa

from spo_trace.formats.arrays import values_of
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import StackAt

__all__ = ["with_unlisted_stacks"]

# Give up after this many pages: records are too large with the stack, or pages change owners faster than they are read.
_MOST_PAGES = 16


def with_unlisted_stacks(
    batches: Iterable[pa.RecordBatch], stacks: StackTable, stack_at: StackAt
) -> Iterator[pa.RecordBatch]:
    """Yield `batches` of page_owner once the unknown stacks that they refer to are in `stacks`.

    A stack is read from a page of the batch that has it. If that page has changed owners since, or its record is too
    large with the stack, the next page is read.
    """
    tried: Counter[int] = Counter()
    for batch in batches:
        for handle, stack_id in stacks.unknown_handles().items():
            if tried[handle] == _MOST_PAGES:
                continue
            pfns = values_of(batch.column("pfn"))[values_of(batch.column("stack_id")) == stack_id]
            for pfn in pfns[: _MOST_PAGES - tried[handle]].tolist():
                tried[handle] += 1
                found = stack_at(pfn)
                if found is not None and found.handle == handle:
                    stacks.intern_with_handle(*found)
                    break
        yield batch
