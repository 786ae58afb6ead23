# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verdicts: balanced, off or not checked, each with its reason."""

from pathlib import Path

import pytest

from spo_trace.analysis.verdicts import verdicts, verified
from spo_trace.collect.snapshot import collect
from spo_trace.errors import UsageError
from spo_trace.formats.text import KernelText
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, MACHINE, SHMEM, FakeSource, Files, entry, meminfo, page, snapshot_of, swaps

COUNTS = b"".join(b" %b\n" % frame for frame in ANON) + b"nr_base_pages: 8\n\n"
SWAPPED = b"".join(b" %b\n" % frame for frame in SHMEM) + b"nr_base_pages: 2\n\n"
# A machine with 8 pages in memory and 2 in swap, all of them listed and counted.
WHOLE: Files = {
    **MACHINE,
    "page_owner": page(order=3),
    "swap_page_owner": entry(1) + entry(2),
    "show_stacks": COUNTS + SWAPPED,
    "meminfo": meminfo(free=992, swap_total=1000, swap_free=998),
    "swaps": swaps(vda=2),
}
ALL_BALANCED = {"memory": "within-tolerance", "swap type 0: /dev/vda": "within-tolerance"} | {
    "page_owner_stacks": "within-tolerance"
}


def reasons(snap: Snapshot, **options: float) -> dict[str, tuple[str, str]]:
    """Return the verdict and the reason of each section."""
    found = verdicts(snap, **options)  # type: ignore[arg-type]
    return {str(row.section): (str(row.verdict), str(row.reason)) for row in found.itertuples()}


def changed(tmp_path: Path, **files: bytes | None) -> Snapshot:
    """Return the snapshot of the machine with these files replaced, or left out if None."""
    named = {name.replace("_after", "-after"): content for name, content in files.items()}
    left = {name: content for name, content in {**WHOLE, **named}.items() if content is not None}
    return snapshot_of(tmp_path, left)


def test_a_balanced_machine(tmp_path: Path) -> None:
    found = verdicts(changed(tmp_path))
    assert dict(zip(found["section"], found["reason"], strict=True)) == ALL_BALANCED
    assert found["part"].tolist() == ["memory", "swap", "stacks"]
    assert found["verdict"].tolist() == ["balanced"] * 3
    assert found["pages"].tolist() == [0, 0, 0]
    assert found["text"].tolist() == ["0.0% unexplained, within 2%"] * 3


@pytest.mark.parametrize(
    ("used", "verdict", "reason", "text"),
    [
        (8, "balanced", "within-tolerance", "0.0% unexplained, within 2%"),
        (18, "balanced", "below-floor", "55.6% unexplained, which is 40.00 KiB: up to 1.00 MiB is always"),
        (264, "balanced", "below-floor", "97.0% unexplained, which is 1.00 MiB: up to 1.00 MiB"),
        (265, "off", "over-tolerance", "97.0% unexplained (1.00 MiB), more than 2% and more than 1.00 MiB"),
    ],
)
def test_the_reason_is_the_rule_that_decided(tmp_path: Path, used: int, verdict: str, reason: str, text: str) -> None:
    row = verdicts(changed(tmp_path, meminfo=meminfo(free=1000 - used))).iloc[0]
    assert (row["section"], row["verdict"], row["reason"]) == ("memory", verdict, reason)
    assert row["text"].startswith(text)


@pytest.mark.parametrize(("used", "verdict"), [(8 + 256, "balanced"), (8 + 257, "off")])
def test_256_pages_are_tolerated_whatever_their_size(tmp_path: Path, used: int, verdict: str) -> None:
    info = meminfo(free=1000 - used, page_kib=64)
    row = verdicts(changed(tmp_path, meminfo=info, pagesize=b"65536\n", swaps=None)).iloc[0]
    assert (row["section"], row["verdict"]) == ("memory", verdict)
    assert "16.00 MiB" in row["text"]


def test_the_tolerance_is_applied(tmp_path: Path) -> None:
    snap = changed(tmp_path, meminfo=meminfo(free=0))
    assert reasons(snap, tolerance=99.2)["memory"] == ("balanced", "within-tolerance")
    assert reasons(snap, tolerance=99)["memory"] == ("off", "over-tolerance")


# For each missing input: the sections that can't be checked, and the reason.
LACKING: dict[str, tuple[dict[str, bytes | None], dict[str, str]]] = {
    "nothing but page_owner": (
        {"swap_page_owner": None, "show_stacks": None, "meminfo": None, "swaps": None},
        {"memory": "no-meminfo", "swap": "no-swap-usage", "page_owner_stacks": "no-stack-counts"},
    ),
    "no meminfo": ({"meminfo": None}, {"memory": "no-meminfo"}),
    "a useless meminfo": ({"meminfo": b"MemTotal: 4000 kB\n"}, {"memory": "no-meminfo"}),
    "no swap_page_owner": ({"swap_page_owner": None}, {"swap: /dev/vda": "swap-owners-unknown"}),
    "no page_owner_stacks": ({"show_stacks": None}, {"page_owner_stacks": "no-stack-counts"}),
    "6.9-rc": ({"show_stacks": b" a+0x1/0x2\nstack_count: 1\n\n"}, {"page_owner_stacks": "no-stack-counts"}),
    "no page_owner": ({"page_owner": None}, {"memory": "no-page-owner", "page_owner_stacks": "no-page-owner"}),
    "page_owner cut off": (
        {"page_owner": page(order=3) + page(0x200)[:-1]},
        {"memory": "malformed-records", "page_owner_stacks": "malformed-records"},
    ),
    "swap_page_owner cut off": (
        {"swap_page_owner": entry(1) + entry(2)[:-1]},
        {"swap type 0: /dev/vda": "malformed-records", "page_owner_stacks": "malformed-records"},
    ),
    "show_stacks cut off": ({"show_stacks": COUNTS + SWAPPED[:-9]}, {"page_owner_stacks": "malformed-records"}),
}


@pytest.mark.parametrize("name", LACKING)
def test_the_reason_for_not_checked_is_given(tmp_path: Path, name: str) -> None:
    files, expected = LACKING[name]
    found = reasons(changed(tmp_path, **files))
    unchecked = {section: reason for section, (verdict, reason) in found.items() if verdict == "not checked"}
    assert unchecked == expected


@pytest.mark.parametrize(
    ("file", "sections"),
    [
        ("page_owner", {"memory", "page_owner_stacks"}),
        ("swap_page_owner", {"swap type 0: /dev/vda", "page_owner_stacks"}),
        ("show_stacks", {"page_owner_stacks"}),
    ],
)
def test_sections_that_use_a_truncated_file_are_not_checked(tmp_path: Path, file: str, sections: set[str]) -> None:
    snap = collect(FakeSource(WHOLE, problems={file: "reading the input failed: EOF"}), tmp_path / "x.spo")
    found = verdicts(snap).set_index("section")
    assert set(found.index[found["reason"] == "cut-off"]) == sections
    assert set(found.index[found["verdict"] == "not checked"]) == sections
    said = f"the capture is cut off: {file}: reading the input failed: EOF"
    assert set(found["text"][found["reason"] == "cut-off"]) == {said}


def test_skipped_records_are_missing(tmp_path: Path) -> None:
    source = FakeSource(WHOLE)
    open_file = source.open

    def with_skipped(name: str) -> KernelText | None:
        text = open_file(name)
        if text is not None and name == "page_owner":
            text.outcome.skipped["larger than the buffer"] = 2
        return text

    source.open = with_skipped  # type: ignore[method-assign]
    found = verdicts(collect(source, tmp_path / "x.spo"))
    assert found["reason"].tolist() == ["skipped-records", "within-tolerance", "skipped-records"]
    assert found["text"][0] == "at least 2 records of page_owner were skipped"


@pytest.mark.parametrize("owners", [None, b""])
def test_an_unused_device_needs_no_owners(tmp_path: Path, owners: bytes | None) -> None:
    snap = changed(tmp_path, swap_page_owner=owners, swaps=swaps(vda=0), meminfo=meminfo(free=992))
    assert reasons(snap)["swap: /dev/vda"] == ("balanced", "nothing-used")


def test_each_device_has_a_verdict(tmp_path: Path) -> None:
    snap = changed(tmp_path, swap_page_owner=None, swaps=swaps(vda=5, zram0=0))
    found = reasons(snap)
    assert found["swap: /dev/vda"] == ("not checked", "swap-owners-unknown")
    assert found["swap: /dev/zram0"] == ("balanced", "nothing-used")


def test_a_machine_without_swap(tmp_path: Path) -> None:
    snap = changed(tmp_path, swap_page_owner=None, swaps=None, meminfo=meminfo(free=992))
    assert reasons(snap)["swap"] == ("balanced", "nothing-used")


def test_parts(tmp_path: Path) -> None:
    snap = changed(tmp_path)
    assert verdicts(snap, parts=["stacks", "memory"])["part"].tolist() == ["memory", "stacks"]
    assert set(verified(snap, parts=["swap"])["section"]) == {"swap type 0: /dev/vda"}
    with pytest.raises(UsageError) as caught:
        verdicts(snap, parts=["memory", "disk"])
    assert (caught.value.message, caught.value.hint) == (
        "there is no part 'disk'",
        "choose from memory, swap, stacks, sites",
    )


def test_the_balance_with_its_verdicts_is_one_table(tmp_path: Path) -> None:
    table = verified(changed(tmp_path, show_stacks=None))
    assert table["section"].drop_duplicates().tolist() == ["memory", "swap type 0: /dev/vda", "page_owner_stacks"]
    last = table.groupby("section", sort=False).tail(1)
    assert last["kind"].tolist() == ["verdict"] * 3
    assert last["verdict"].tolist() == ["balanced", "balanced", "not checked"]
    assert last["pages"].isna().tolist() == [False, False, True]
    assert table["verdict"].notna().sum() == 3
