# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which functions of this kernel the probes hang on: chosen by presence, newest first, never by version."""

from collections.abc import Collection
from typing import NamedTuple

from spo_trace.memory.problem import Problem

__all__ = ["FUNCTIONS", "Hook", "choose_hooks", "past_ftrace_site"]


class Hook(NamedTuple):
    """Name a kernel function, and what of bpf/swap_owner.c runs when it is called."""

    role: str
    function: str
    body: str

    @property
    def source(self) -> str:
        """Return the hook as a line of C."""
        return f"HOOK({self.function}) {{ return {self.body}; }}"


_PAGE = "ctx, FIRST"
_ENTRY_OF_TYPE = "(FIRST << 58) | SECOND"

# `also`: a function that must be there too, as the hook means something else without it.
_CHOICES = (
    # Since Linux 6.17. __swap_writepage() would not do: zswap's writeback calls it too, with a page that owns nothing.
    (Hook("out", "swap_writeout", f"swap_out({_PAGE})"), None),
    (Hook("out", "swap_writepage", f"swap_out({_PAGE})"), None),
    # Since Linux 6.8.
    (Hook("in", "swap_read_folio", f"swap_in({_PAGE})"), None),
    (Hook("in", "swap_readpage", f"swap_in({_PAGE})"), None),
    # Linux 7.1 frees entries in __swap_cluster_free_entries(), and calls zswap_invalidate() for each (CONFIG_ZSWAP).
    # Older kernels have a zswap_invalidate() too, but do not call it for every entry of a large folio.
    (Hook("free", "zswap_invalidate", "free_entries(ctx, FIRST, 1)"), "__swap_cluster_free_entries"),
    # Linux 6.18 and 6.19.
    (Hook("free", "__swap_cache_clear_shadow", "free_entries(ctx, FIRST, (u32)SECOND)"), None),
    # Linux 5.10 to 6.17: (type, first offset, last offset).
    (
        Hook("free", "clear_shadow_from_swap_cache", f"free_entries(ctx, {_ENTRY_OF_TYPE}, THIRD - SECOND + 1)"),
        None,
    ),
    # Since Linux 5.16; before, page migration is not followed.
    (Hook("migrate", "__folio_copy_owner", "migrate(FIRST, SECOND)"), None),
)

# Without page_owner, since Linux 5.18: (folio, vma, …); a page before.
_UNMAP = Hook("unmap", "try_to_unmap_one", "unmap(FIRST, SECOND)")

# All names to look for in /proc/kallsyms.
FUNCTIONS = frozenset(name for hook, also in _CHOICES for name in (hook.function, also) if name) | {_UNMAP.function}

_PURPOSE = {"out": "writes a page to swap", "in": "reads a page from swap", "free": "frees a swap entry"}


def choose_hooks(
    functions: Collection[str], btf_functions: Collection[str] | None = None, *, owners: bool = True
) -> list[Hook]:
    """Return a hook for each role, of those whose functions are in `functions` (and in `btf_functions`, for fentry).

    Without `owners`, those that follow a page's owner give way to the one that tells who had it mapped. Raise Problem
    if nothing is there to see pages go to swap, come back or entries be freed.
    """
    usable = functions if btf_functions is None else set(functions) & set(btf_functions)
    chosen: dict[str, Hook] = {}
    for hook, also in _CHOICES:
        if hook.function in usable and (also is None or also in functions):
            chosen.setdefault(hook.role, hook)
    for role, purpose in _PURPOSE.items():
        if role not in chosen:
            names = ", ".join(hook.function for hook, _ in _CHOICES if hook.role == role)
            raise Problem(
                f"this kernel has no function to hook that {purpose} (looked for {names})",
                "the kernel might be too old (5.18 is the oldest), built without CONFIG_SWAP (from 7.1 on CONFIG_ZSWAP"
                " too), or the function was inlined",
            )
    if not owners:
        chosen.pop("migrate", None)
        if _UNMAP.function in usable:
            chosen[_UNMAP.role] = _UNMAP
    return list(chosen.values())


_ENDBR64 = b"\xf3\x0f\x1e\xfa"
_NOP5 = b"\x0f\x1f\x44\x00\x00"
_CALL = b"\xe8"


def past_ftrace_site(code: bytes) -> int:
    """Return the offset behind the ftrace site that an x86 function begins with, 0 if it has none.

    The arguments are in their registers there still. A kprobe on the site itself, put there a second time, makes Linux
    7.2 oops at the next call.
    """
    start = len(_ENDBR64) if code.startswith(_ENDBR64) else 0
    site = code[start : start + len(_NOP5)]
    return start + len(_NOP5) if site == _NOP5 or site.startswith(_CALL) else 0
