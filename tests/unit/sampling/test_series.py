# SPDX-License-Identifier: LGPL-2.1-or-later
"""Series for trends: recordings, and snapshots of one boot."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.growth import growth
from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.files.descriptors import hidden_name
from spo_trace.sampling.series import open_series
from tests.support import FS, MACHINE, SHMEM, Files, capture, entry, page, snapshot_of

FILES = {**MACHINE, "page_owner": page() + page(0x110, 2, b"cat", stack=FS), "swap_page_owner": entry(1)}


def snapshots(directory: Path, *changes: Files) -> Path:
    """Take snapshots of one machine, a minute apart, each with its `changes`, in reverse order."""
    for number, files in enumerate(changes):
        uptime = b"%d.00 1.00\n" % (100 + 60 * number)
        snapshot_of(directory, {**FILES, "uptime": uptime, **files}, name=f"{9 - number}")
    return directory


def test_snapshots_are_in_chronological_order(tmp_path: Path) -> None:
    later = page(order=3) + page(0x110, 2, b"cat", stack=FS)
    series = open_series(snapshots(tmp_path, {}, {"page_owner": later}), Question.of(["comm"]))
    assert series.table.drop(columns=["swap_cache_bytes", "total_bytes"]).to_numpy().tolist() == [
        *[[1, 0.0, "cat", True, 16384, 0], [1, 0.0, "dd", True, 4096, 4096]],
        *[[2, 60.0, "dd", True, 32768, 4096], [2, 60.0, "cat", True, 16384, 0]],
    ]


def test_what_a_killed_command_left_is_no_sample(tmp_path: Path) -> None:
    # GIVEN the leftovers of --force and of a snapshot that was not complete
    snapshots(tmp_path, {}, {})
    shutil.copytree(tmp_path / "9.spo", tmp_path / hidden_name())
    (tmp_path / hidden_name()).mkdir()
    (tmp_path / ".half.spo").mkdir()
    (tmp_path / ".half.spo/snapshot.json").write_text("{")
    series = open_series(tmp_path, Question.of(["comm"]))
    assert series.table["sample"].unique().tolist() == [1, 2]


def test_snapshots_are_by_stack_by_default(tmp_path: Path) -> None:
    series = open_series(snapshots(tmp_path, {}), Question.of("stack"), default_keys=True)
    assert series.keys == ["stack"]
    assert SHMEM[0].decode() in series.table["stack"].str[0].tolist()


def test_a_list_of_snapshots_and_a_condition(tmp_path: Path) -> None:
    snapshots(tmp_path, {}, {})
    given: list[spo.Snapshot | Path] = [spo.open(tmp_path / "9.spo"), tmp_path / "8.spo"]
    table = spo.series(given, "comm", where='comm == "cat"')
    assert table[["sample", "comm", "total_bytes"]].to_numpy().tolist() == [[1, "cat", 16384], [2, "cat", 16384]]


def test_a_snapshot_without_owners_is_a_sample(tmp_path: Path) -> None:
    later = page(order=3) + page(0x110, 2, b"new")
    series = open_series(snapshots(tmp_path, {}, {"page_owner": later}), Question.of(["comm"], 'comm == "new"'))
    assert series.table[["sample", "total_bytes"]].to_numpy().tolist() == [[1, 0], [2, 16384]]


def test_swap_is_left_out_if_some_samples_lack_its_owners(tmp_path: Path) -> None:
    snapshot_of(tmp_path, {name: text for name, text in FILES.items() if name != "swap_page_owner"}, name="a")
    snapshots(tmp_path, {"uptime": b"160.00 1.00\n"})
    table = open_series(tmp_path, Question.of([])).table
    assert table["total_bytes"].tolist() == table["mem_bytes"].tolist() == [20480, 20480]
    assert table["swap_bytes"].isna().all()


def test_unknown_amounts_without_owners_are_unknown(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if name != "swap_page_owner"}
    later = page(order=3) + page(0x110, 2, b"new")
    for number, own in enumerate([files, {**files, "page_owner": later, "uptime": b"160.00 1.00\n"}]):
        snapshot_of(tmp_path, own, name=f"{number}")
    table = open_series(tmp_path, Question.of(["comm"], 'comm == "new"')).table
    assert table["total_bytes"].tolist() == [0, 16384] and table["swap_bytes"].isna().all()
    # AND a recording of these samples gives the same
    list(
        spo.watch(
            "comm", where='comm == "new"', from_=[tmp_path / "0.files", tmp_path / "1.files"], record=tmp_path / "r"
        )
    )
    recorded = spo.series(tmp_path / "r")
    assert recorded["total_bytes"].tolist() == [0, 16384] and recorded["swap_bytes"].isna().all()


def test_snapshots_of_two_boots_or_of_the_same_time(tmp_path: Path) -> None:
    other = {"boot_id": b"99999999-2222-3333-4444-555555555555\n"}
    with pytest.raises(SpoTraceError, match=r"9\.spo and .*8\.spo are of different boots"):
        spo.series(snapshots(tmp_path / "boots", {}, other))
    with pytest.raises(SpoTraceError, match="two of the snapshots were taken at the same time"):
        spo.series(snapshots(tmp_path / "moment", {}, {"uptime": b"100.00 1.00\n"}))


def test_a_recording_by_stack_has_all_keys_of_stacks(tmp_path: Path) -> None:
    sources = snapshots(tmp_path / "s", {}, {}, {})
    # A page without a stack is handled as in attribution.
    for number, captured in enumerate(sources.glob("*.files")):
        (captured / "page_owner").write_bytes(FILES["page_owner"] + page(0x200 + number, stack=()))
        shutil.rmtree(captured.with_suffix(".spo"))
        spo.snapshot(captured.with_suffix(".spo"), from_=captured)
    captures = sorted(sources.glob("*.files"), reverse=True)
    list(spo.watch("stack", from_=captures, record=tmp_path / "r"))
    for key in ("caller", "callsite", "category", "module", "symbols", "stack"):
        recorded = spo.series(tmp_path / "r", key).sort_values(["sample", key], ignore_index=True)
        direct = spo.series(sources, key).sort_values(["sample", key], ignore_index=True)
        assert recorded.to_numpy().tolist() == direct.to_numpy().tolist()
    with pytest.raises(UsageError, match="was not recorded by comm") as caught:
        open_series(tmp_path / "r", Question.of(["comm"]))
    assert caught.value.hint == "choose from stack, symbols, caller, callsite, module, category"
    with pytest.raises(UsageError, match="a recording does not contain the single records"):
        spo.series(tmp_path / "r", where="order > 0")


def test_a_recording_of_an_older_version_is_read(tmp_path: Path) -> None:
    # GIVEN stacks joined by semicolons, without an escape, in a recording by swap_type
    recording = tmp_path / "r"
    recording.mkdir()
    (recording / "series.json").write_text('{"series_version": 1, "by": ["swap_type", "stack"]}')
    for number in (1, 2, 3):
        table = pd.DataFrame(
            {
                **{"sample": number, "seconds": float(number), "taken_at": "", "swap_type": [0, 0, None]},
                "stack": ["get_page+0x1/0x2;f+0x1/0x2 [m];g+0x1/0x2", "(handle 7)", None],
                **{"mem_bytes": 0, "swap_bytes": [4096 * number, 4096, 0], "total_bytes": [4096 * number, 4096, 0]},
            }
        )
        table.astype({"swap_type": "Int64"}).to_parquet(recording / f"{number:06}.parquet", index=False)
    # THEN its stacks are frames, and all keys that depend on them are known
    assert set(spo.series(recording, "stack")["stack"].dropna()) == {
        ("get_page+0x1/0x2", "f+0x1/0x2 [m]", "g+0x1/0x2"),
        ("(handle 7)",),
    }
    assert set(spo.series(recording, "callsite")["callsite"].dropna()) == {"f [m]", ""}
    assert spo.trend(recording, "stack")["stack"].tolist()[0] == ("get_page+0x1/0x2", "f+0x1/0x2 [m]", "g+0x1/0x2")
    # AND a key has the name under which it was requested
    assert spo.series(recording, "type").columns[2] == "type"


def test_a_sample_without_stacks_is_recorded(tmp_path: Path) -> None:
    sources = snapshots(tmp_path / "s", {}, {})
    captures = sorted(sources.glob("*.files"), reverse=True)
    list(spo.watch("stack", where="order > 20", from_=captures, record=tmp_path / "r"))
    assert spo.series(tmp_path / "r")["total_bytes"].tolist() == [0, 0]
    assert spo.series(tmp_path / "r")["stack"].isna().all()


def test_inputs_that_are_not_a_series(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match="is not a directory"):
        spo.series(tmp_path / "nosuch")
    with pytest.raises(SpoTraceError, match="is not a recording and contains no snapshots"):
        spo.series(tmp_path)
    with pytest.raises(UsageError, match="there is no key 'com'"):
        spo.series(tmp_path, ["com"])
    with pytest.raises(SpoTraceError, match="there are no snapshots"):
        spo.series([])


def test_unknown_keys_stay_unknown_in_a_recording(tmp_path: Path) -> None:
    # GIVEN a recording by a key that swap entries lack: dd is charged to m, and has a page in swap
    pages = page(tail=b"Charged to memcg m\n") + page(0x101)
    changes = [{**FILES, "page_owner": pages, "uptime": b"%d.00 1.00\n" % (100 + n)} for n in range(3)]
    captures = [capture(tmp_path / str(n), files) for n, files in enumerate(changes)]
    list(spo.watch(["memcg", "comm"], from_=captures, record=tmp_path / "r"))
    names = ["memcg", "key_known", "mem_bytes", "swap_bytes", "total_bytes"]
    # THEN swap is one row, in which the memory cgroup is unknown, and the pages that are not charged are another one
    for by in (None, ["memcg"]):
        table = spo.series(tmp_path / "r", by).query("sample == 3")[names].astype(object)
        table = table.where(table.notna(), "-")
        assert sorted(table.to_numpy().tolist(), key=str) == [
            ["-", False, 0, 4096, 4096],
            ["-", True, 4096, "-", 4096],
            ["m", True, 4096, "-", 4096],
        ]
    assert len(spo.trend(tmp_path / "r")) == 3
    # AND the growth of each does not show 0 bytes of swap
    shown = growth(spo.series(tmp_path / "r"), ["memcg", "comm"]).set_index("memcg")
    assert shown["swap_bytes"].isna()["m"]
    # AND by a key that both have, nothing is unknown
    table = spo.series(tmp_path / "r", ["comm"]).query("sample == 1")[["comm", "key_known", "total_bytes"]]
    assert table.to_numpy().tolist() == [["dd", True, 12288]]
