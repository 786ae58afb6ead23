# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks that page_owner records in place of the allocation's own."""

import pytest

from spo_trace.stacks.placeholders import Placeholder, placeholder_of


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (["register_early_stack+0x28/0x43", "init_page_owner+0x33/0x24d"], Placeholder.EARLY),
        (["create_dummy_stack+0x1/0x2", "register_failure_stack.constprop.0+0x1/0x2"], Placeholder.FAILURE),
        (["[<ffffffff81000000>] register_dummy_stack+0x1/0x2"], Placeholder.DUMMY),
        (["prep_new_page+0x1/0x2", "alloc_pages+0x1/0x2", "register_dummy_stack+0x1/0x2"], None),
        (["register_early_stack_of_somebody_else+0x1/0x2"], None),
        ([], None),
    ],
)
def test_a_placeholder_is_identified_by_its_function(frames: list[str], expected: Placeholder | None) -> None:
    assert placeholder_of(frames) is expected
