# SPDX-License-Identifier: LGPL-2.1-or-later
"""A key of stacks that survives kernel releases: the innermost functions that both of two kernels have."""

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from itertools import groupby

from spo_trace.stacks.frames import UNKNOWN, function_name
from spo_trace.stacks.placeholders import placeholder_of
from spo_trace.stacks.plumbing import is_plumbing

__all__ = ["KEY_FUNCTIONS", "common_key", "functions_in"]

# Measured with an unchanged workload (python -m tests.bench.releases fixtures/captures-releases/*): three functions
# distinguish almost twice as many owners as one, and shift at most 1 % more pages. Six shift up to 3 % more than three.
KEY_FUNCTIONS = 3


def functions_in(stacks: Iterable[Sequence[str]]) -> frozenset[str]:
    """Return the functions that occur in stacks; addresses without a symbol are none.

    What two kernels have in common is `functions_in(stacks_a) & functions_in(stacks_b)`.
    """
    frames = {frame for stack in stacks for frame in stack}
    return frozenset(map(_name, frames)) - {UNKNOWN}


def common_key(frames: Sequence[str], common: Set[str]) -> tuple[str, ...]:
    """Return the innermost KEY_FUNCTIONS functions of a stack that two kernels have in `common`, innermost first.

    >>> frames = ["get_page_from_freelist+0x8a0/0x923", "new_helper+0x1/0x2", "pte_alloc_one+0x16/0x2d"]
    >>> common_key(frames, {"get_page_from_freelist", "pte_alloc_one"})
    ('pte_alloc_one',)

    Functions of allocators and of the entry to the kernel are left out, and a function that calls itself is named once.
    A placeholder is its own key. If none of the functions is common, the key has those that are not. It is empty only
    for a stack without frames. A stack has one key, so sums over keys are those over stacks.
    """
    if placeholder := placeholder_of(frames):
        return (placeholder.value,)
    names = [_name(frame) for frame in frames if not is_plumbing(frame)] or [_name(frame) for frame in frames[-1:]]
    shared = [name for name in names if name in common]
    return tuple(name for name, _ in groupby(shared or names))[:KEY_FUNCTIONS]


# b951aaff5035, 6.10: names of allocators end in _noprof. Compilers split foo() into foo and foo.part.0, which it calls.
@lru_cache(maxsize=1 << 16)
def _name(frame: str) -> str:
    return function_name(frame).removesuffix("_noprof")
