# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key of stacks of two kernels: functions that both have, whatever a release renames, splits or inlines."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.stacks.common_key import KEY_FUNCTIONS, common_key, functions_in

# One allocation on two releases: the allocator, a helper and an outer function have other names on the newer one.
OLD = (
    "post_alloc_hook __alloc_pages alloc_inode new_inode shmem_get_inode shmem_mknod lookup_a path_openat do_syscall_64"
)
NEW = (
    "prep_new_page __alloc_frozen_pages_noprof alloc_inode new_inode shmem_get_inode shmem_mknod lookup_b path_openat"
    " do_filp x64_sys_call do_syscall_64 entry_SYSCALL_64_after_hwframe"
)


def frames(names: str) -> list[str]:
    return [f"{name}+0x{number:x}/0x20" for number, name in enumerate(names.split(), 1)]


def keys(a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the keys of the stacks of two kernels."""
    common = functions_in(a) & functions_in(b)
    return [common_key(stack, common) for stack in a], [common_key(stack, common) for stack in b]


def test_a_stack_keeps_its_key_if_allocators_and_helpers_are_renamed() -> None:
    old, new = keys([frames(OLD)], [frames(NEW)])
    assert old == new == [("shmem_get_inode", "shmem_mknod", "path_openat")]
    assert len(old[0]) == KEY_FUNCTIONS


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("foo.part.0 foo bar", "foo bar", ("foo", "bar")),
        ("foo.constprop.0 bar.isra.0", "foo bar", ("foo", "bar")),
        ("foo.cold bar", "foo bar.llvm.123", ("foo", "bar")),
        ("foo helper foo bar", "foo bar", ("foo", "bar")),
        ("foo_noprof bar", "foo bar", ("foo", "bar")),
        ("0xffffffff81000000 foo", "0xffffffffa2345678 foo", ("foo",)),
    ],
)
def test_compilers_and_addresses_make_no_difference(a: str, b: str, expected: tuple[str, ...]) -> None:
    plain = [[name if name.startswith("0x") else f"{name}+0x1/0x2" for name in names.split()] for names in (a, b)]
    assert keys(plain[:1], plain[1:]) == ([expected], [expected])


def test_a_driver_may_be_a_module_on_one_kernel() -> None:
    built_in, module = ["virtblk_probe+0x1/0x2"], ["virtblk_probe+0x3/0x4 [virtio_blk]"]
    assert keys([built_in], [module]) == ([("virtblk_probe",)], [("virtblk_probe",)])


def test_memory_without_a_common_function_keeps_its_own() -> None:
    # GIVEN a leak in a module that only the newer kernel has loaded
    leak = frames("__alloc_pages leak_alloc leak_thread kthread ret_from_fork")
    old, new = keys([frames(OLD)], [frames(NEW), leak])
    assert (old, new[1:]) == ([("shmem_get_inode", "shmem_mknod", "path_openat")], [("leak_alloc", "leak_thread")])


def test_stacks_of_which_little_is_known() -> None:
    unknown = ["0xffffffff81000000", "(null)"]
    assert keys([[], unknown], [[], unknown]) == ([(), ("[unknown]",)], [(), ("[unknown]",)])
    # Nothing but allocators: the outermost one.
    assert keys([frames("prep_new_page alloc_pages")], [[]])[0] == [("alloc_pages",)]


def test_placeholders_of_two_kernels_are_equal_and_differ_from_each_other() -> None:
    old = [frames(f"register_{which}_stack init_page_owner kernel_init_freeable") for which in ("early", "dummy")]
    new = [frames(f"register_{which}_stack init_page_owner mm_core_init") for which in ("early", "dummy")]
    expected = [("register_early_stack",), ("register_dummy_stack",)]
    assert keys(old, new) == (expected, expected)


HOSTILE = st.text(max_size=12) | st.sampled_from(["", ";", "[unknown]", "(no stack)", "+0x1", " [m]", "foo+0x1/0x2"])


@given(st.lists(st.lists(HOSTILE, max_size=8), max_size=8), st.lists(st.lists(HOSTILE, max_size=8), max_size=8))
def test_any_text_has_a_key_of_its_own_functions(a: list[list[str]], b: list[list[str]]) -> None:
    for stacks, found in zip((a, b), keys(a, b), strict=True):
        for stack, key in zip(stacks, found, strict=True):
            assert bool(key) == bool(stack) and len(key) <= KEY_FUNCTIONS
            assert set(key) <= functions_in([stack]) | {"[unknown]"}
