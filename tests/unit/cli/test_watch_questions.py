# SPDX-License-Identifier: LGPL-2.1-or-later
"""What watch shows after a key: the same amounts as the API for that question and sample."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.growth import ORDERS
from spo_trace.analysis.question import Question
from spo_trace.cli.watch_history import History
from spo_trace.cli.watch_questions import Questions
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.sampling.samples import Sample, take_samples
from spo_trace.sources.capture import CaptureSource
from tests.support import ANON, FS, MACHINE, Files, capture, entry, page

CHARGED = b"Charged to memcg web.slice \n"


def files(number: int) -> Files:
    """Return a capture in which dd has more with each number, and cat less."""
    pages = [page(0x1000 * n, 1, tail=CHARGED) for n in range(number)]
    pages += [page(0x100, number, b"dd", stack=FS), page(0x10, 3 - number, b"cat"), page(0x50, 0, b"dd")]
    return {
        **MACHINE,
        "uptime": b"%d.0 1\n" % (100 + number),
        "page_owner": b"".join(pages),
        "swap_page_owner": entry(number, b"dd", stack=ANON),
    }


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Return three captures."""
    return [capture(tmp_path / str(number), files(number)) for number in (1, 2, 3)]


def asked(paths: list[Path], by: str = "comm", method: str = "auto") -> Iterator[tuple[Sample, Questions]]:
    """Yield each sample with the questions that can be asked then."""
    question = Question.of(by, sort="growth", orders=ORDERS)
    history = History(question.keys)
    questions = Questions(question, history)
    sources = (CaptureSource([path]) for path in paths)
    for sample in take_samples(sources, question, method=method, keep=True):
        history.add(sample)
        questions.add(sample)
        yield sample, questions


def amounts(path: Path, by: str, where: str | None = None) -> dict[object, tuple[int, int]]:
    """Return the memory and the swap of each owner from the API."""
    table = spo.attribute(spo.open(path), by, where=where)
    return dict(zip(table[by], zip(table["mem_bytes"], table["swap_bytes"], strict=True), strict=True))


def shown(questions: Questions) -> pd.DataFrame:
    """Return the rows that have anything."""
    rows = questions.shown.growth("growth").rows
    return rows[rows["total_bytes"] > 0]


@pytest.mark.parametrize("number", [2, 3])
def test_other_keys_have_the_amounts_of_the_sample_and_growth_since_the_first(paths: list[Path], number: int) -> None:
    samples = asked(paths)
    # WHEN other keys are asked for at the second or third sample
    *_, (_, questions) = (next(samples) for _ in range(number))
    questions.group_by(["category"])
    for path in paths[number - 1 :]:
        # THEN this sample and the next one have the amounts of the API, and growth is since the first sample
        now, before = amounts(path, "category"), amounts(paths[0], "category")
        rows = questions.shown.growth("growth").rows.set_index("category")
        assert {name: (row.mem_bytes, row.swap_bytes) for name, row in rows.iterrows()} == now
        assert {name: row.growth_delta for name, row in rows.iterrows()} == {
            name: sum(now[name]) - sum(before.get(name, (0, 0))) for name in now
        }
        # Of two samples that do not follow each other, there is no interval.
        assert rows["interval_delta"].isna().all() == (number == 3)
        next(samples, None)
    # AND the first question has lost nothing
    questions.group_by(["comm"])
    assert len(questions.shown.growth("growth").rows["past"][0]) == 3


def test_the_stacks_of_an_owner(paths: list[Path]) -> None:
    samples = asked(paths)
    _, questions = next(samples)
    rows = shown(questions)
    owner = rows[rows["comm"] == "dd"].iloc[0]
    questions.zoom(owner)
    for path in paths:
        stacks = shown(questions).set_index("stack")
        found = {stack: (row.mem_bytes, row.swap_bytes) for stack, row in stacks.iterrows()}
        assert found == amounts(path, "stack", 'comm == "dd"') and len(found) >= 2
        next(samples, None)
    questions.leave_zoom()
    assert questions.shown.keys == ["comm"]


def test_an_owner_that_has_nothing_more(paths: list[Path]) -> None:
    samples = asked([paths[1], capture(paths[0].parent / "x", {**files(3), "page_owner": page(comm=b"dd")})])
    _, questions = next(samples)
    rows = shown(questions)
    questions.zoom(rows[rows["comm"] == "cat"].iloc[0])
    before = questions.shown.growth("growth").total["total_bytes"][0]
    next(samples)
    total = questions.shown.growth("growth").total
    assert (total["total_bytes"][0], total["growth_delta"][0]) == (0, -before)


def test_an_owner_without_a_name(paths: list[Path]) -> None:
    # GIVEN pages of which it is known that they are charged to no memcg, and swap of which that is unknown
    samples = asked(paths, "memcg")
    _, questions = next(samples)
    rows = shown(questions)
    for known, where in ((True, "mem"), (False, "swap")):
        owner = rows[rows["memcg"].isna() & (rows["key_known"] == known)].iloc[0]
        questions.zoom(owner)
        assert shown(questions)[f"{where}_bytes"].sum() == owner[f"{where}_bytes"] == owner["total_bytes"]
        questions.leave_zoom()


def test_a_question_without_an_answer_changes_nothing(paths: list[Path]) -> None:
    samples = asked(paths)
    _, questions = next(samples)
    questions.group_by(["category"])
    for keys in (["nonsense"], ["site"]):
        with pytest.raises(SpoTraceError):
            questions.group_by(keys)
        assert questions.shown.keys == ["category"]


def test_counts_answer_for_stacks_alone(tmp_path: Path) -> None:
    counts = b" prep_new_page+0x1c/0x48\n ext4_readpages+0x1/0x2 [ext4]\nnr_base_pages: 12\n\n"
    machine = {**MACHINE, "uname": b"Linux box 6.12.0 #1 SMP x86_64\n", "show_stacks": counts}
    samples = asked([capture(tmp_path / "c", {**machine, "page_owner": b""})], "caller", "counts")
    sample, questions = next(samples)
    assert sample.method == "counts"
    questions.zoom(shown(questions).iloc[0])
    assert shown(questions)["total_bytes"].to_list() == [12 * 4096]
    questions.group_by(["module"])
    assert shown(questions)["module"].to_list() == ["ext4"]
    with pytest.raises(UsageError, match="counts are by stack only"):
        questions.group_by(["comm"])


def test_samples_are_on_disk_no_longer_than_needed(paths: list[Path], tmp_path: Path) -> None:
    from spo_trace.files.scratch import scratch_directory

    def stored() -> int:
        return len(list(scratch_directory().rglob("snapshot.json")))

    before = stored()
    samples = asked(paths)
    assert [stored() - before for _ in samples] == [1, 2, 2]
    assert stored() == before
    question = Question.of("comm")
    sources = (CaptureSource([path]) for path in paths)
    assert [(stored() - before, one.answer) for one in take_samples(sources, question)] == [(0, None)] * 3
