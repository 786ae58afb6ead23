# SPDX-License-Identifier: LGPL-2.1-or-later
"""One-line labels of owners."""

import pandas as pd

from spo_trace.analysis.owner_labels import owner_labels

STACK = (
    "get_page_from_freelist+0x8a0/0x923",
    "pte_alloc_one+0x16/0x2d",
    "__pte_alloc+0x1d/0xd0",
    "a;a+0x1/0x2",
    "b+0x1/0x2",
)


def test_labels() -> None:
    table = pd.DataFrame({"comm": pd.array(["dd", None], "string"), "stack": [STACK, ("(no stack)",)], "order": [0, 3]})
    assert owner_labels(table, ["comm", "stack"]) == ["dd, pte_alloc_one < __pte_alloc < a;a", "-, (no stack)"]
    assert owner_labels(table, ["order", "comm"]) == ["0, dd", "3, -"]
    assert owner_labels(table, []) == ["all", "all"]


def test_a_lost_stack_is_named_after_its_placeholder() -> None:
    lost = ("register_failure_stack+0x28/0x43", "init_page_owner+0x2e/0x24d", "mm_core_init+0x17a/0x184")
    table = pd.DataFrame({"stack": [lost]})

    assert owner_labels(table, ["stack"]) == ["owner lost (register_failure_stack)"]
