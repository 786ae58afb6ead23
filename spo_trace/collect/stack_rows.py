# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of stacks.parquet."""

from spo_trace.formats.rows import StackRow
from spo_trace.formats.stack_table import Stack, hash_texts, named_frames
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import meaning

__all__ = ["stack_row"]


def stack_row(stack: Stack, handle_is_kernels: bool) -> StackRow:
    """Return the row of a stack, with what its frames mean; `handle_is_kernels`: not a number of the collector."""
    frames = stack.frames
    named = named_frames(frames, stack.handle)
    symbols = [function_name(frame) for frame in named]
    category, caller, module = meaning(frames)
    return StackRow(
        stack_id=stack.stack_id,
        stack_hash=hash_texts(named),
        symbol_hash=hash_texts(symbols),
        frames=list(frames),
        handle=stack.handle if handle_is_kernels else None,
        nr_base_pages=stack.nr_base_pages,
        category=category,
        caller=caller,
        module=module,
    )
