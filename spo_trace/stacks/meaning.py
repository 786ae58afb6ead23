# SPDX-License-Identifier: LGPL-2.1-or-later
"""The meaning of an allocation stack: use of the memory (category), caller and module."""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from spo_trace.stacks.frames import function_name, module_name
from spo_trace.stacks.rules import ALLOCATORS, RULES, Rule, Scope

__all__ = [
    "StackMeaning",
    "allocator_depth",
    "call_site",
    "deciding_rule",
    "is_allocator",
    "meaning",
]


class StackMeaning(NamedTuple):
    """Category, caller and module of one stack."""

    category: str
    caller: str
    module: str


class _Frame(NamedTuple):
    name: str
    module: str


def meaning(frames: Sequence[str]) -> StackMeaning:
    """
    Return category, caller and module of a stack, given as printed by the kernel, innermost frame first.

    >>> meaning(["get_page_from_freelist+0x8a0/0x923", "pte_alloc_one+0x16/0x2d", "__pte_alloc+0x1d/0xd0"])
    StackMeaning(category='page table', caller='pte_alloc_one', module='vmlinux')
    """
    parsed = _parse(frames)
    own = _allocator_part(parsed)
    rule = _deciding(parsed, own)
    module = next((frame.module for frame in parsed if frame.module), "vmlinux")
    caller = rule.caller if rule and rule.caller else own[-1].name if own else ""
    return StackMeaning(rule.category if rule else "other", caller, module)


def deciding_rule(frames: Sequence[str]) -> Rule | None:
    """Return the rule that decides the stack's category, None if no rule matches any of its frames."""
    parsed = _parse(frames)
    return _deciding(parsed, _allocator_part(parsed))


def call_site(frames: Sequence[str], caller: str) -> str:
    """
    Return the innermost frame that is in a module as "function [module]"; `caller` if no frame is in one.

    >>> call_site(["__netdev_alloc_skb+0x100/0x170", "ath11k_dp_rxbufs_replenish+0x110/0x3d0 [ath11k]"], "")
    'ath11k_dp_rxbufs_replenish [ath11k]'
    """
    found = next((frame for frame in _parse(frames) if frame.module), None)
    return f"{found.name} [{found.module}]" if found else caller


def allocator_depth(frames: Sequence[str]) -> int:
    """
    Return the number of allocators' frames within the caller; without a caller, of all frames but the outermost.

    >>> allocator_depth(["get_page_from_freelist+0x8a0/0x923", "pte_alloc_one+0x16/0x2d", "__pte_alloc+0x1d/0xd0"])
    1
    """
    return max(len(_allocator_part(_parse(frames))) - 1, 0)


def is_allocator(frame: str) -> bool:
    """Return whether a frame is of an allocator's own function, which is no caller."""
    return _is_allocator(_parse_frame(frame))


def _parse(frames: Sequence[str]) -> list[_Frame]:
    return [_parse_frame(frame) for frame in frames]


# Cached, like the functions below, because most frames occur in many stacks.
@lru_cache(maxsize=1 << 16)
def _parse_frame(frame: str) -> _Frame:
    return _Frame(function_name(frame), module_name(frame))


def _compiled(globs: str) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs.split()))


_ALLOCATORS = _compiled(ALLOCATORS)
_ALLOCATOR = [
    (rule, _compiled(rule.patterns), _compiled(rule.callee)) for rule in RULES if rule.scope is Scope.ALLOCATOR
]
_ANY_FRAME = [(rule, _compiled(rule.patterns)) for rule in RULES if rule.scope is not Scope.ALLOCATOR]


def _key(frame: _Frame) -> str:
    # b951aaff5035, 6.10: the allocators' names end in _noprof. The tables have them without this suffix.
    return frame.name.removesuffix("_noprof")


# The frames of the allocator and its caller; all frames if none is a caller.
def _allocator_part(frames: Sequence[_Frame]) -> Sequence[_Frame]:
    for index, frame in enumerate(frames):
        if not _is_allocator(frame):
            return frames[: index + 1]
    return frames


@lru_cache(maxsize=1 << 16)
def _is_allocator(frame: _Frame) -> bool:
    return bool(_ALLOCATORS.match(_key(frame)))


def _deciding(frames: Sequence[_Frame], own: Sequence[_Frame]) -> Rule | None:
    callees = ["", *(frame.name for frame in own)]
    matches = map(_allocator_rule, own, callees)
    if (first := min(matches, default=len(_ALLOCATOR))) < len(_ALLOCATOR):
        return _ALLOCATOR[first][0]
    return next((rule for rule in map(_any_frame_rule, frames) if rule), None)


# The index of the first rule that matches the frame, which called `callee`.
@lru_cache(maxsize=1 << 16)
def _allocator_rule(frame: _Frame, callee: str) -> int:
    name = _key(frame)
    for index, (_, pattern, called) in enumerate(_ALLOCATOR):
        if pattern.match(name) and called.match(callee):
            return index
    return len(_ALLOCATOR)


@lru_cache(maxsize=1 << 16)
def _any_frame_rule(frame: _Frame) -> Rule | None:
    for rule, pattern in _ANY_FRAME:
        text = frame.module if rule.scope is Scope.MODULE else _key(frame)
        if text and pattern.match(text):
            return rule
    return None
