# SPDX-License-Identifier: LGPL-2.1-or-later
"""Samples: how they are read, their order, and their boot."""

import lzma
import subprocess
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.files.scratch import scratch_directory
from spo_trace.sampling.method import MethodReason, checked_method, counts_lack_stacks
from spo_trace.sampling.samples import take_samples
from spo_trace.sources.series import choose_series
from tests.collectors import this_machine, tree
from tests.support import ANON, CARRIED, FS, MACHINE, FakeSource, Files, entry, page

COUNTS = b" %b\nnr_base_pages: 3\n\n %b\nnr_base_pages: 5\n\n" % (b"\n ".join(ANON), b"\n ".join(FS))
# A kernel that counts every stack.
OLDER = {"uname": b"Linux box 6.12.63 #1 SMP Mon x86_64 GNU/Linux\n"}
FILES = {**MACHINE, **OLDER, "page_owner": page() + page(0x101, 2, b"cat", stack=FS), "swap_page_owner": entry(1)}


def at(uptime: int, files: Files = FILES) -> FakeSource:
    """Return a machine `uptime` seconds after boot."""
    return FakeSource({**files, "uptime": b"%d.00 1.00\n" % uptime})


def test_every_record() -> None:
    # Other tests in this process may have open captures.
    before = set(scratch_directory().iterdir())
    first, second = take_samples([at(100), at(160)], Question.of(["comm"]))
    assert (first.number, first.seconds, first.method) == (1, 0.0, "text")
    assert (second.number, second.seconds) == (2, 60.0)
    rows = [["cat", True, 16384, 0, 0, 16384], ["dd", True, 4096, 4096, 0, 8192]]
    assert first.table.to_dict("split")["data"] == rows
    assert set(scratch_directory().iterdir()) == before


def test_memory_is_given_back_between_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []

    class Pool:
        def release_unused(self) -> None:
            # The sample's snapshot is gone already.
            released.append(len(list(scratch_directory().iterdir())))

    before = len(list(scratch_directory().iterdir()))
    monkeypatch.setattr("pyarrow.default_memory_pool", Pool)
    assert len(list(take_samples([at(100), at(160)], Question.of(["comm"])))) == 2
    assert released == [before, before]


def test_the_kernels_counts() -> None:
    (sample,) = take_samples([at(1, {**FILES, "show_stacks": COUNTS})], Question.of(["category"]))
    assert (sample.method, sample.method_reason) == ("counts", MethodReason.COUNTS_SUFFICE)
    assert not sample.lacks_stacks
    assert sample.table[["category", "total_bytes"]].to_numpy().tolist() == [["page cache", 20480], ["anon", 12288]]
    assert sample.table[["mem_bytes", "swap_bytes"]].isna().all(axis=None)


def test_counts_that_are_there_twice_count_once() -> None:
    once, twice = (
        next(iter(take_samples([at(1, {**FILES, "show_stacks": text})], Question.of(["category"]))))
        for text in (COUNTS, COUNTS * 2)
    )
    assert once.table.equals(twice.table)


def test_with_handles_the_stacks_are_read_once() -> None:
    # GIVEN a kernel with handles, whose large file is missing after the first sample
    handles = b" %b\nhandle: 7\n\n %b\nhandle: 9\n\n" % (b"\n ".join(ANON), b"\n ".join(FS))
    counts = b"handle: 7\nnr_base_pages: %d\n\nhandle: 9\nnr_base_pages: 5\n\n"
    first = at(1, {**FILES, "show_stacks_handles": handles, "show_handles": counts % 3})
    second = at(2, {**FILES, "show_handles": counts % 4})
    tables = [
        s.table.set_index("category")["total_bytes"] for s in take_samples([first, second], Question.of(["category"]))
    ]
    assert [dict(table) for table in tables] == [
        {"page cache": 20480, "anon": 12288},
        {"page cache": 20480, "anon": 16384},
    ]


@pytest.mark.parametrize("where", ['comm == "dd"', None])
def test_questions_that_counts_cannot_answer_are_read_in_full(where: str | None) -> None:
    files = {**FILES, "show_stacks": COUNTS}
    question = Question.of(["caller"] if where else ["comm", "caller"], where)
    assert next(take_samples([at(1, files)], question)).method == "text"
    assert next(take_samples([at(1, files)], question)).method_reason == MethodReason.QUESTION
    sample = next(take_samples([at(1, files)], Question.of("caller"), method="text"))
    assert (sample.method, sample.method_reason) == ("text", MethodReason.ASKED)


@pytest.mark.parametrize("uname", [b"Linux box 6.18.0-rc1 #1 x86_64 GNU/Linux\n", b"Linux box 7.2.13 #1 x86_64\n", b""])
def test_counts_that_may_lack_stacks_are_used_only_if_asked_for(uname: bytes) -> None:
    # GIVEN a kernel that has no count for one of the two stacks of page_owner, as Linux 6.17.6 and later
    counts = b" %b\nnr_base_pages: 1\n\n" % b"\n ".join(ANON)
    sources = [at(number, {**FILES, "uname": uname, "show_stacks": counts}) for number in (1, 2)]
    # THEN all samples have both, unless counts are asked for
    for sample in take_samples(sources, Question.of("category")):
        assert (sample.method, sample.method_reason) == ("text", MethodReason.COUNTS_LACK_STACKS)
        assert sample.table.set_index("category")["mem_bytes"].to_dict() == {
            "page cache": 16384,
            "anon": 4096,
            "tmpfs/shmem": 0,
        }
        assert not sample.lacks_stacks
    for sample in take_samples(sources, Question.of("category"), method="counts"):
        assert (sample.method, sample.method_reason) == ("counts", MethodReason.ASKED)
        assert sample.table["category"].tolist() == ["anon"]
        assert sample.lacks_stacks


def test_a_capture_of_counts_only() -> None:
    # GIVEN a capture of Linux 7.2 without page_owner
    files = {name: text for name, text in {**FILES, **MACHINE}.items() if "page_owner" not in name}
    (sample,) = take_samples([at(1, {**files, "show_stacks": COUNTS})], Question.of("category"))
    assert (sample.method, sample.method_reason, sample.lacks_stacks) == ("counts", MethodReason.NO_RECORDS, True)
    with pytest.raises(SpoTraceError, match="there is no page_owner to read"):
        next(take_samples([at(1, files)], Question.of("category")))


@pytest.mark.parametrize(
    ("release", "lacking"),
    [
        ("6.16.12", False),
        ("6.12.63+deb13-amd64", False),
        ("6.17.0-8-generic", True),
        ("6.18.0-rc1", True),
        ("6.18", True),
        ("7.0.1", True),
        ("10.1", True),
        ("5.19", False),
        ("", True),
        (None, True),
        ("next-20251128", True),
    ],
)
def test_releases_whose_counts_lack_stacks(release: str | None, lacking: bool) -> None:
    assert counts_lack_stacks(release) is lacking


def test_counts_without_a_time_or_of_allocations_are_not_used() -> None:
    hand_made = {name: text for name, text in FILES.items() if name not in ("uptime", "boot_id")}
    source = FakeSource({**hand_made, "show_stacks": COUNTS})
    sample = next(take_samples([source], Question.of(["caller"])))
    assert (sample.method, sample.method_reason) == ("text", MethodReason.NO_COUNTS)
    of_rc = at(1, {**FILES, "show_stacks": COUNTS.replace(b"nr_base_pages", b"stack_count")})
    assert next(take_samples([of_rc], Question.of(["caller"]))).method == "text"
    with pytest.raises(SpoTraceError, match="no counts of stacks"):
        next(take_samples([source], Question.of("caller"), method="counts"))


def test_a_series_uses_one_method() -> None:
    samples = take_samples([at(1, {**FILES, "show_stacks": COUNTS}), at(2)], Question.of(["caller"]))
    assert next(samples).method == "counts"
    with pytest.raises(SpoTraceError, match="no counts of stacks: not there"):
        next(samples)


def test_malformed_records_are_reported() -> None:
    damaged = COUNTS + b" x+0x1/0x2\nnonsense\n\n"
    (sample,) = take_samples([at(1, {**FILES, "show_stacks": damaged})], Question.of(["caller"]))
    assert sample.meta.warnings == ["show_stacks: 1 record can't be parsed"]
    assert sample.table["total_bytes"].sum() == 32768


def test_samples_are_of_one_boot_and_in_order() -> None:
    other = at(200, {**FILES, "boot_id": b"99999999-2222-3333-4444-555555555555\n"})
    with pytest.raises(SpoTraceError, match="samples 2 and 1 are of different boots"):
        list(take_samples([at(100), other], Question.of(["comm"])))
    with pytest.raises(SpoTraceError, match="sample 3 was not taken after the previous one"):
        list(take_samples([at(100), at(120), at(110)], Question.of(["comm"])))


def test_a_sample_without_owners_is_a_sample() -> None:
    tables = [s.table for s in take_samples([at(1), at(2)], Question.of(["comm"], 'comm == "nosuch"'))]
    assert [table["total_bytes"].tolist() for table in tables] == [[0], [0]]


def test_a_method_is_checked_for_the_question() -> None:
    with pytest.raises(UsageError, match="there is no method 'fast'"):
        checked_method("fast", Question.of(["comm"]))
    with pytest.raises(UsageError, match="the kernel's counts are by stack only"):
        checked_method("counts", Question.of(["comm"]))
    with pytest.raises(UsageError, match="the kernel's counts are by stack only"):
        checked_method("counts", Question.of(["stack"], "order > 0"))


def test_the_old_name_of_text() -> None:
    assert checked_method("full", Question.of(["comm"])) == checked_method("text", Question.of(["comm"])) == "text"


@pytest.mark.parametrize("by", ["stack", "caller", "callsite", "category", "module", "symbols"])
def test_counts_and_records_agree_on_a_simulated_machine(by: str) -> None:
    # GIVEN a machine that is read with both methods; its early pages have records but no count
    where = "not caller.str.contains('early|init_page_owner|owner lost')"
    counted = list(take_samples(choose_series("simulator", ["leak"]), Question.of([by]), method="counts"))
    read = list(take_samples(choose_series("simulator", ["leak"]), Question.of([by], where)))
    assert len(counted) == len(read) == 10
    # THEN each sample has the same owners, with the same totals
    for mine, theirs in zip(counted, read, strict=True):
        totals = [sample.table.set_index(by)["total_bytes"].to_dict() for sample in (mine, theirs)]
        assert totals[0] == totals[1]


@pytest.mark.parametrize("names", [["show_stacks"], ["show_handles", "show_stacks_handles"]])
def test_counts_of_a_real_kernel_have_the_sum_that_awk_computes(names: list[str]) -> None:
    stage = CARRIED / "7.2-spo" / "2-swapped"
    script = f"xz -dc {stage}/{names[0]}.xz | awk '/^nr_base_pages/ {{ n += $2 }} END {{ print n * 4096 }}'"
    truth = int(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout)
    files = {name: lzma.decompress((stage / f"{name}.xz").read_bytes()) for name in names}
    (sample,) = take_samples([at(1, {**MACHINE, **files})], Question.of(["stack"]))
    assert sample.table["total_bytes"].sum() == truth


def test_watch_of_the_api(tmp_path: Path) -> None:
    samples = list(spo.watch("comm", from_=CARRIED / "7.2-spo", count=3, record=tmp_path / "r"))
    assert [round(sample.seconds) for sample in samples] == [0, 32, 134]
    table = spo.series(tmp_path / "r")
    for sample in samples:
        recorded = table[table["sample"] == sample.number].drop(columns=["sample", "seconds"])
        assert recorded.to_numpy().tolist() == sample.table.to_numpy().tolist()


def test_samples_of_this_machine_are_read_by_the_collector(tmp_path: Path) -> None:
    # GIVEN a machine whose memory grows between two samples
    files = {**MACHINE, "page_owner": page(1), "show_stacks": b" a+0x1/0x2\nnr_base_pages: 3\n\n"}
    later = {**files, "page_owner": page(1) + page(2), "uptime": b"160.00 1.00\n"}
    sources = [this_machine(tree(tmp_path / name, each)) for name, each in (("a", files), ("b", later))]
    for question, method, expected in (
        (Question.of("comm"), "auto", [4096, 8192]),
        (Question.of("caller"), "counts", [3 * 4096] * 2),
        (Question.of("caller"), "text", [4096, 8192]),
    ):
        # WHEN they are taken, THEN they have what the machine had
        samples = list(take_samples(sources, question, method=method))
        assert [sample.table["total_bytes"].sum() for sample in samples] == expected
        assert [sample.method for sample in samples] == ["counts" if method == "counts" else "text"] * 2
        assert [sample.seconds for sample in samples] == [0, 60]
