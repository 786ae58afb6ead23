# SPDX-License-Identifier: LGPL-2.1-or-later
"""The oracles agree with each other on the bundled captures."""

from pathlib import Path

import pytest

from tests.oracle import awk, framed, peer, stacks
from tests.oracle.captures import CARRIED, read, stage_id, stages

STAGES = [pytest.param(s, id=stage_id(s), marks=pytest.mark.xdist_group(stage_id(s))) for s in stages(CARRIED)]


class Answers:
    """The results of each oracle for one stage."""

    def __init__(self, stage: Path) -> None:
        """Run all oracles."""
        texts = read(stage, "page_owner"), read(stage, "swap_page_owner")
        self.stage = stage
        self.page_owner = texts[0]
        self.awk_pages = awk.comm_totals(texts[0])
        self.awk_comms = awk.pages_by_comm(*texts)
        self.pages, self.entries = framed.memory(texts[0]), framed.swap(texts[1])
        self.framed_comms = framed.pages_by_comm(self.pages, self.entries)
        self.stacks = stacks.pages_by_stack(*texts)


@pytest.fixture(scope="module", params=STAGES)
def answers(request: pytest.FixtureRequest) -> Answers:
    return Answers(request.param)


def test_awk_and_framed_agree_by_comm(answers: Answers) -> None:
    by_awk, by_frame = answers.awk_comms, answers.framed_comms
    assert _sums(by_awk) == _sums(by_frame)
    hostile = {comm for comm in by_frame if b"\n" in comm or b"), ts " in comm}
    assert {comm for comm in by_frame if by_frame[comm] != by_awk.get(comm)} == hostile
    # only the varied workload has such comms, and not in its first stage
    varied = answers.stage.parent.name == "7.2-spo-varied"
    assert bool(hostile) == (varied and answers.stage.name != "0-before")


def test_awk_and_framed_agree_on_records_and_marks(answers: Answers) -> None:
    by_awk = answers.awk_pages.values()
    assert sum(totals.records for totals in by_awk) == len(answers.pages)
    # comm.awk searches for the mark in the first line; a newline in the comm moves it to a later line
    on_first_line = [record for record in answers.pages if record.swapped and b"\n" not in record.comm]
    assert sum(totals.swapped for totals in by_awk) == len(on_first_line)


def test_stacks_and_memcg_lines_add_up_to_comms(answers: Answers) -> None:
    assert _sums(answers.stacks) == _sums(answers.framed_comms)
    assert framed.pages_by_memcg(answers.pages).total() == _sums(answers.framed_comms)[0]


@pytest.mark.skipif(peer.available() is not None, reason=str(peer.available()))
def test_page_owner_sort_agrees(answers: Answers, tmp_path: Path) -> None:
    text = tmp_path / "page_owner"
    text.write_bytes(answers.page_owner)
    expected = {stack: mem for stack, (mem, _) in answers.stacks.items() if mem}
    assert peer.stack_totals(text) == expected


def _sums(totals: dict[bytes, tuple[int, int]] | dict[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(mem for mem, _ in totals.values()), sum(swap for _, swap in totals.values())
