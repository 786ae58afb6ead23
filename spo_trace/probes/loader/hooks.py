# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel functions to hook: those that exist, newest first, whatever the kernel's version is."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from spo_trace.memory.problem import Problem

__all__ = ["FUNCTIONS", "Hook", "choose_hooks", "past_ftrace_site"]


class Hook(NamedTuple):
    """Hold a kernel function, and the PROGRAM() of bpf/swap_owner.c that fits its arguments."""

    role: str
    function: str
    program: str

    @property
    def source(self) -> str:
        """Return the hook as a line of C for bpf/bcc.h."""
        return f"HOOK({self.function}, {self.program})"


# The second member names a function that must exist too: on kernels without it, the hook would miss calls.
_CHOICES = (
    # 84798514db50, 6.16: swap_writeout() replaces swap_writepage(). Not __swap_writepage(), because zswap's writeback
    # calls it with a temporary page that has another owner.
    (Hook("out", "swap_writeout", "out"), None),
    (Hook("out", "swap_writepage", "out"), None),
    # c9bdf768dd93, 6.8: swap_read_folio() replaces swap_readpage().
    (Hook("in", "swap_read_folio", "in"), None),
    (Hook("in", "swap_readpage", "in"), None),
    # 7.1, not 6.19 (7.0 was not checked): __swap_cluster_free_entries() frees entries, and zswap_invalidate() is called
    # for each (CONFIG_ZSWAP). Older kernels have a zswap_invalidate() too, but 6.9 to 6.13 do not call it for each
    # entry of a large folio.
    (Hook("free", "zswap_invalidate", "free_one"), "__swap_cluster_free_entries"),
    # 8578e0c00dcf, 6.18: __swap_cache_clear_shadow() replaces clear_shadow_from_swap_cache(). Still in 6.19.
    (Hook("free", "__swap_cache_clear_shadow", "free_run"), None),
    # 3852f6768ede, 5.9: (type, first offset, last offset). Still in 6.17.
    (Hook("free", "clear_shadow_from_swap_cache", "free_range"), None),
    # 19138349ed59, 5.16: __folio_copy_owner(). On older kernels, page migration is not followed.
    (Hook("migrate", "__folio_copy_owner", "migrate"), None),
)

# Used without page_owner. 2f031c6f042c, 5.18: the arguments are (folio, vma, …); before, (page, vma, …).
_UNMAP = Hook("unmap", "try_to_unmap_one", "unmap")

# The names to look up in /proc/kallsyms.
FUNCTIONS = frozenset(name for hook, also in _CHOICES for name in (hook.function, also) if name) | {_UNMAP.function}

_PURPOSE = {"out": "write a page to swap", "in": "read a page from swap", "free": "free a swap entry"}


def choose_hooks(
    functions: Collection[str], in_btf: Callable[[str], bool] | None = None, *, owners: bool = True
) -> list[Hook]:
    """Return a hook for each role whose function is in `functions` (and, for fentry, that is `in_btf`).

    Without `owners`, the hook that follows migrating owners is replaced by one that records which process had a
    page mapped. Raise Problem if the kernel has no function to hook for swap-out, swap-in or the freeing of an entry.
    """

    def usable(name: str) -> bool:
        return name in functions and (in_btf is None or in_btf(name))

    chosen: dict[str, Hook] = {}
    for hook, also in _CHOICES:
        if hook.role not in chosen and (also is None or also in functions) and usable(hook.function):
            chosen[hook.role] = hook
    for role, purpose in _PURPOSE.items():
        if role not in chosen:
            names = ", ".join(hook.function for hook, _ in _CHOICES if hook.role == role)
            raise Problem(
                f"this kernel has none of the functions that {purpose}: {names}",
                "the kernel may be older than 5.18, built without CONFIG_SWAP (since 7.1 also CONFIG_ZSWAP), or the"
                " compiler inlined the function",
            )
    if not owners:
        chosen.pop("migrate", None)
        if usable(_UNMAP.function):
            chosen[_UNMAP.role] = _UNMAP
    return list(chosen.values())


# With CONFIG_X86_KERNEL_IBT, a function begins with endbr64. ed53a0d97192, 5.18: if nothing calls it indirectly, the
# kernel puts a nop in its place (arch/x86/include/asm/ibt.h, gen_endbr_poison). 5.18 and 7.2 have different ones.
_ENDBR = (b"\xf3\x0f\x1e\xfa", b"\x66\x0f\x1f\x00", b"\x0f\x1f\x40\xd6")
_NOP5 = b"\x0f\x1f\x44\x00\x00"
_CALL = b"\xe8"


def past_ftrace_site(code: bytes) -> int:
    """Return the offset after the ftrace site at the start of an x86 function; 0 if it has none.

    The arguments are still in their registers there. On Linux 7.2, a second kprobe on the site itself causes an oops at
    the next call.
    """
    start = len(_ENDBR[0]) if code.startswith(_ENDBR) else 0
    site = code[start : start + len(_NOP5)]
    return start + len(_NOP5) if site == _NOP5 or site.startswith(_CALL) else 0
