# SPDX-License-Identifier: LGPL-2.1-or-later
"""The printer reproduces records of real kernels byte for byte from their fields."""

import pytest

from spo_trace.simulator.old_formats import PAGE_OWNER_RECORDS
from spo_trace.simulator.printer import (
    PageRecord,
    handle_count_record,
    memcg_line,
    page_flags_text,
    page_owner_record,
    stack_count_record,
    stack_handle_record,
    stack_text,
    swap_record,
)

HIGHUSER = b"0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP)"
ANON_FRAMES = (
    "prep_new_page+0x1c/0x48",
    "get_page_from_freelist+0x8a0/0x923",
    "__alloc_frozen_pages_noprof+0xee/0x17c",
    "alloc_pages_mpol+0x98/0x157",
    "folio_alloc_mpol_noprof+0x14/0x2e",
    "vma_alloc_folio_noprof+0x57/0x70",
    "folio_prealloc+0x23/0x59",
    "__handle_mm_fault+0x6b4/0xbb5",
    "handle_mm_fault+0x103/0x1a7",
    "do_user_addr_fault+0x282/0x46a",
    "exc_page_fault+0xdd/0xf1",
    "asm_exc_page_fault+0x26/0x30",
)
SHMEM_FRAMES = (
    "prep_new_page+0x1c/0x48",
    "get_page_from_freelist+0x8a0/0x923",
    "__alloc_frozen_pages_noprof+0xee/0x17c",
    "alloc_pages_mpol+0x98/0x157",
    "folio_alloc_mpol_noprof+0x14/0x2e",
    "shmem_alloc_folio+0x41/0x5a",
    "shmem_alloc_and_add_folio+0x1f6/0x3bc",
    "shmem_get_folio_gfp+0x1b8/0x3f5",
    "shmem_get_folio+0x1a/0x1d",
    "shmem_write_begin+0x67/0x78",
    "generic_perform_write+0xac/0x1fa",
    "shmem_file_write_iter+0x65/0x7d",
    "vfs_write+0x10c/0x17a",
    "ksys_write+0x71/0x9e",
    "do_syscall_64+0x90/0x1e0",
    "entry_SYSCALL_64_after_hwframe+0x4b/0x53",
)

# From Linux 7.2.13 with swap support, x86_64.
REAL_SWAPPED = b"""\
Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), pid 134, tgid 134 (new
line), ts 14077809493 ns (swapped)
PFN 0x2374 type Movable Block 17 type Movable Flags 0x20838(uptodate|dirty|lru|owner_2|swapbacked|node=0|zone=0)
 prep_new_page+0x1c/0x48
 get_page_from_freelist+0x8a0/0x923
 __alloc_frozen_pages_noprof+0xee/0x17c
 alloc_pages_mpol+0x98/0x157
 folio_alloc_mpol_noprof+0x14/0x2e
 vma_alloc_folio_noprof+0x57/0x70
 folio_prealloc+0x23/0x59
 __handle_mm_fault+0x6b4/0xbb5
 handle_mm_fault+0x103/0x1a7
 do_user_addr_fault+0x282/0x46a
 exc_page_fault+0xdd/0xf1
 asm_exc_page_fault+0x26/0x30
Charged to memcg /

"""
REAL_MIGRATED = b"""\
Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), pid 155, tgid 155 (exited writer), \
ts 14733186337 ns (swapped)
PFN 0xac00 type Movable Block 86 type Movable Flags 0x2003c(referenced|uptodate|dirty|lru|swapbacked|node=0|zone=0)
 prep_new_page+0x1c/0x48
 get_page_from_freelist+0x8a0/0x923
 __alloc_frozen_pages_noprof+0xee/0x17c
 alloc_pages_mpol+0x98/0x157
 folio_alloc_mpol_noprof+0x14/0x2e
 shmem_alloc_folio+0x41/0x5a
 shmem_alloc_and_add_folio+0x1f6/0x3bc
 shmem_get_folio_gfp+0x1b8/0x3f5
 shmem_get_folio+0x1a/0x1d
 shmem_write_begin+0x67/0x78
 generic_perform_write+0xac/0x1fa
 shmem_file_write_iter+0x65/0x7d
 vfs_write+0x10c/0x17a
 ksys_write+0x71/0x9e
 do_syscall_64+0x90/0x1e0
 entry_SYSCALL_64_after_hwframe+0x4b/0x53
Page has been migrated, last migrate reason: compaction
Charged to memcg /

"""
REAL_EARLY = b"""\
Page allocated via order 0, mask 0x0(), pid 0, tgid 0 (swapper), ts 0 ns
PFN 0x2a3f type Unmovable Block 21 type Unmovable Flags 0x0(node=0|zone=0)
 register_early_stack+0x28/0x43
 init_page_owner+0x33/0x24d
 mm_core_init+0x17a/0x184
 start_kernel+0x56e/0x75b

"""
EARLY_FRAMES = (
    "register_early_stack+0x28/0x43",
    "init_page_owner+0x33/0x24d",
    "mm_core_init+0x17a/0x184",
    "start_kernel+0x56e/0x75b",
)
REAL_SWAP = b"""\
Page allocated via pid 119, tgid 119 (a b (c), d)), ts 14150125654 ns
SWP entry 0x4000000000013ff
 prep_new_page+0x1c/0x48
 get_page_from_freelist+0x8a0/0x923
 __alloc_frozen_pages_noprof+0xee/0x17c
 alloc_pages_mpol+0x98/0x157
 folio_alloc_mpol_noprof+0x14/0x2e
 vma_alloc_folio_noprof+0x57/0x70
 folio_prealloc+0x23/0x59
 __handle_mm_fault+0x6b4/0xbb5
 handle_mm_fault+0x103/0x1a7
 do_user_addr_fault+0x282/0x46a
 exc_page_fault+0xdd/0xf1
 asm_exc_page_fault+0x26/0x30

"""

SWAPPED = PageRecord(
    0x2374, 0, HIGHUSER, 134, 134, b"new\nline", 14077809493, 0, b"Movable", b"Movable", page_flags_text(0x20838),
    stack_text(ANON_FRAMES), b"", memcg_line("page", b"/", offline=False), True,
)  # fmt: skip
MIGRATED = PageRecord(
    0xAC00, 0, HIGHUSER, 155, 155, b"exited writer", 14733186337, 77, b"Movable", b"Movable", page_flags_text(0x2003C),
    stack_text(SHMEM_FRAMES), b"compaction", memcg_line("page", b"/", offline=False), True,
)  # fmt: skip
EARLY = PageRecord(
    0x2A3F, 0, b"0x0()", 0, 0, b"swapper", 0, 0, b"Unmovable", b"Unmovable", page_flags_text(0),
    stack_text(EARLY_FRAMES), b"", b"", False,
)  # fmt: skip


@pytest.mark.parametrize(("fields", "real"), [(SWAPPED, REAL_SWAPPED), (MIGRATED, REAL_MIGRATED), (EARLY, REAL_EARLY)])
def test_page_owner_record_equals_the_kernels(fields: PageRecord, real: bytes) -> None:
    assert page_owner_record(fields) == real


def test_swap_record_equals_the_kernels() -> None:
    printed = swap_record(0x4000000000013FF, 119, 119, b"a b (c), d)", 14150125654, stack_text(ANON_FRAMES))
    assert printed == REAL_SWAP


def test_stack_records_equal_the_kernels() -> None:
    stack = stack_text(EARLY_FRAMES[1:3])
    frames = b" init_page_owner+0x33/0x24d\n mm_core_init+0x17a/0x184\n"
    assert stack_count_record(stack, 146) == frames + b"nr_base_pages: 146\n\n"
    assert stack_handle_record(stack, 69992459) == frames + b"handle: 69992459\n\n"
    assert handle_count_record(69992459, 146) == b"handle: 69992459\nnr_base_pages: 146\n\n"


@pytest.mark.parametrize(
    ("flags", "real"),
    [
        (0x0, b"0x0(node=0|zone=0)"),
        (0x240, b"0x240(workingset|head|node=0|zone=0)"),
        (0x32C, b"0x32c(referenced|uptodate|lru|active|workingset|node=0|zone=0)"),
        (0x6003C, b"0x6003c(referenced|uptodate|dirty|lru|swapbacked|unevictable|node=0|zone=0)"),
        (0x20C28, b"0x20c28(uptodate|lru|owner_priv_1|owner_2|swapbacked|node=0|zone=0)"),
        (0x20878, b"0x20878(uptodate|dirty|lru|owner_2|head|swapbacked|node=0|zone=0)"),
        (0x30528, b"0x30528(uptodate|lru|active|owner_priv_1|reclaim|swapbacked|node=0|zone=0)"),
    ],
)
def test_page_flags_are_in_the_kernels_order(flags: int, real: bytes) -> None:
    assert page_flags_text(flags) == real


@pytest.mark.parametrize(
    ("charge", "offline", "line"),
    [
        ("none", False, b""),
        ("page", False, b"Charged to memcg live.scope\n"),
        ("page", True, b"Charged to offline memcg live.scope\n"),
        ("objcg", False, b"Charged (via objcg) to memcg live.scope\n"),
        ("objexts", True, b"Slab cache page\n"),
    ],
)
def test_memcg_line(charge: str, offline: bool, line: bytes) -> None:
    assert memcg_line(charge, b"live.scope", offline=offline) == line


# The formats of mm/page_owner.c in these releases.
OLD = {
    "A": b"Page allocated via order 0, mask 0x140cca\nPFN 44032 Block 86 type 1          Flags   RUDL      \n",
    "B": b"Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP)\n"
    b"PFN 44032 type Movable Block 86 type Movable Flags 0x2003c(referenced|uptodate|dirty|lru|swapbacked)\n",
    "C": b"Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), pid 155, ts 14733186337 ns\n"
    b"PFN 44032 type Movable Block 86 type Movable Flags 0x2003c(referenced|uptodate|dirty|lru|swapbacked)\n",
    "D": b"Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), pid 155, ts 14733186337 ns, "
    b"free_ts 77 ns\nPFN 44032 type Movable Block 86 type Movable "
    b"Flags 0x2003c(referenced|uptodate|dirty|lru|swapbacked|node=0|zone=0)\n",
    "E": b"Page allocated via order 0, mask 0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), pid 155, "
    b"tgid 155 (exited writer), ts 14733186337 ns, free_ts 77 ns\nPFN 44032 type Movable Block 86 type Movable "
    b"Flags 0x2003c(referenced|uptodate|dirty|lru|swapbacked|node=0|zone=0)\n",
}
STACK = stack_text(SHMEM_FRAMES)
MIGRATION = b"Page has been migrated, last migrate reason: compaction\n"
MEMCG = b"Charged to memcg /\n"
OLD_TAILS = {
    "B": STACK + MIGRATION + b"\n",
    "C": STACK + MIGRATION + b"\n",
    "D": STACK + MIGRATION + b"\n",
    "E": STACK + MIGRATION + MEMCG + b"\n",
}


@pytest.mark.parametrize("profile", "BCDE")
def test_older_records(profile: str) -> None:
    assert PAGE_OWNER_RECORDS[profile](MIGRATED) == OLD[profile] + OLD_TAILS[profile]


def test_the_oldest_record_has_addresses_and_letters() -> None:
    # GIVEN format A (3.19 to 4.5)
    printed = PAGE_OWNER_RECORDS["A"](MIGRATED)
    # THEN the flags are letters in fixed columns, and each frame has an address before the symbol
    assert printed.startswith(OLD["A"])
    frames = printed[len(OLD["A"]) :].splitlines()
    assert [frame.split(b"] ")[1].decode() for frame in frames[:-1]] == list(SHMEM_FRAMES)
    assert all(frame.startswith(b" [<ffffffff81") for frame in frames[:-1])
    assert frames[-1] == b""
