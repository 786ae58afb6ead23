# SPDX-License-Identifier: LGPL-2.1-or-later
"""The frames at both ends of stacks of real kernels that tell nothing about the owner."""

from fnmatch import fnmatchcase

import pytest

from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import meaning
from spo_trace.stacks.plumbing import ENTRIES, Plumbing, plumbing
from tests.unit.stacks.test_meaning import stacks

# The outermost frames of stacks in fixtures/, outermost last, and how many of them are of the entry to the kernel.
OUTERMOST = {
    "vfs_write ksys_write do_syscall_64 entry_SYSCALL_64_after_hwframe": 2,
    "__x64_sys_execve x64_sys_call do_syscall_64 entry_SYSCALL_64_after_hwframe": 3,
    "ksys_mmap_pgoff __do_fast_syscall_32": 1,
    "handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault": 3,
    "handle_mm_fault __do_page_fault do_page_fault page_fault": 3,
    "handle_mm_fault do_page_fault do_translation_fault do_mem_abort el0_da el0t_64_sync_handler el0t_64_sync": 6,
    "handle_mm_fault do_page_fault do_translation_fault do_mem_abort el1_abort el1h_64_sync_handler el1h_64_sync": 6,
    "__arm64_sys_execve do_el0_svc el0_svc el0t_64_sync_handler el0t_64_sync": 4,
    "loop_init do_one_initcall kernel_init_freeable kernel_init ret_from_fork ret_from_fork_asm": 5,
    "kthreadd rest_init start_kernel x86_64_start_kernel common_startup_64": 4,
    "setup_arch start_kernel __primary_switched": 2,
    "khugepaged kthread ret_from_fork": 2,
    "wb_workfn process_one_work worker_thread kthread ret_from_fork": 4,
    "wb_workfn process_scheduled_works worker_thread kthread ret_from_fork": 4,
    "net_rx_action handle_softirqs smpboot_thread_fn kthread": 3,
    "net_rx_action __do_softirq": 1,
}


@pytest.mark.parametrize("frames", OUTERMOST)
def test_the_entry_to_the_kernel_is_plumbing(frames: str) -> None:
    assert plumbing([f"{name}+0x1/0x2" for name in frames.split()]) == Plumbing(0, OUTERMOST[frames])


@pytest.mark.parametrize("glob", ENTRIES.split())
def test_each_pattern_of_an_entry_matches_a_function(glob: str) -> None:
    assert any(fnmatchcase(name, glob) for frames in OUTERMOST for name in frames.split())


def test_what_remains_of_real_stacks_begins_with_the_caller() -> None:
    depths = []
    for frames, (_, caller, _) in stacks().values():
        inner, outer = plumbing(frames)
        depths.append(inner)
        assert 0 <= inner < len(frames) - outer
        assert caller == "owner lost" or function_name(frames[inner]) == caller
    assert max(depths) > 5


def test_one_frame_remains() -> None:
    assert plumbing([]) == (0, 0)
    assert plumbing(["do_syscall_64+0x1/0x2"]) == (0, 0)
    assert plumbing(["prep_new_page+0x1/0x2", "__alloc_pages+0x3/0x4"]) == (1, 0)
    assert plumbing(["prep_new_page+0x1/0x2", "do_syscall_64+0x1/0x2", "entry_SYSCALL_64_after_hwframe+0x1/0x2"]) == (
        1,
        1,
    )


def test_an_entry_in_the_middle_is_no_plumbing() -> None:
    # A page fault of the kernel in a system call.
    assert plumbing([f"{name}+0x1/0x2" for name in ("handle_mm_fault", "exc_page_fault", "vfs_write")]) == (0, 0)


def test_names_without_offsets_are_equal() -> None:
    names = ("get_page_from_freelist", "pte_alloc_one", "asm_exc_page_fault")
    assert plumbing(names) == plumbing([f"{name}+0x1/0x2" for name in names]) == (1, 1)
    assert meaning(names).caller == "pte_alloc_one"
