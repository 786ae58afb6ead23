# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest

from spo_trace.formats.missing import Missing
from spo_trace.machine.answer import SNAPSHOT_NEEDS, TRACE_NEEDS, Answer, answer
from spo_trace.machine.check import Check, CheckCode, Topic

ROOT, SWAP, BTF = (Topic(code, code) for code in (CheckCode.ROOT, CheckCode.SWAP_PAGE_OWNER, CheckCode.TRACE_BTF))
HOOKS, LOADER = Topic(CheckCode.TRACE_HOOKS, "hooks"), Topic(CheckCode.TRACE_LOADER, "loader")


@pytest.mark.parametrize(
    ("checks", "needs", "expected"),
    [
        ([ROOT.ok(""), SWAP.optional("", "")], SNAPSHOT_NEEDS, Answer.POSSIBLE),
        ([ROOT.missing("", "", Missing.NOT_ROOT), SWAP.ok("")], SNAPSHOT_NEEDS, Answer.IMPOSSIBLE),
        ([ROOT.unknown(""), SWAP.ok("")], SNAPSHOT_NEEDS, Answer.UNKNOWN),
        ([ROOT.ok(""), SWAP.unknown("")], SNAPSHOT_NEEDS, Answer.POSSIBLE),
        ([LOADER.ok(""), BTF.optional("", "")], TRACE_NEEDS, Answer.POSSIBLE),
        ([LOADER.optional("", ""), HOOKS.unknown("")], TRACE_NEEDS, Answer.IMPOSSIBLE),
        ([LOADER.ok(""), HOOKS.unknown("")], TRACE_NEEDS, Answer.UNKNOWN),
    ],
)
def test_whether_something_is_possible(checks: list[Check], needs: frozenset[CheckCode], expected: Answer) -> None:
    assert answer(checks, needs) is expected


def test_each_code_is_needed_for_one_thing_at_most() -> None:
    assert not SNAPSHOT_NEEDS & TRACE_NEEDS
    assert all(code.startswith("trace_") for code in TRACE_NEEDS)
    assert not any(code.startswith("trace_") for code in SNAPSHOT_NEEDS)
