# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of the kernel's own page_owner_sort has the same amounts as the text that it was made from."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from tests.oracle import peer
from tests.oracle.captures import CARRIED, read, stage_id

pytestmark = pytest.mark.skipif(peer.available() is not None, reason=str(peer.available()))

# Real text with plain names, with hostile names (of pages that came back from swap, too), and with pages of 64 KiB.
STAGES = (
    CARRIED / "7.2-spo-varied/0-before",
    CARRIED / "7.2-spo-varied/3-partial",
    CARRIED.parent / "captures-64k/1-dd256",
)

# Options of page_owner_sort, and the keys that its output has.
WHOLE = ("comm", "pid", "tgid", "order", "gfp_mask", "stack")
FORMS: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = (
    ((), WHOLE),
    (("-m",), WHOLE),
    (("-t",), WHOLE),
    (("-a",), WHOLE),
    (("-s",), ("stack",)),
    (("-n",), ("comm",)),
    (("-p",), ("pid",)),
    (("-P",), ("tgid",)),
    (("--cull=stacktrace",), ("stack",)),
    (("-m", "--cull=stacktrace"), ("stack",)),
    (("--cull=name",), ("comm",)),
    (("--cull=pid",), ("pid",)),
    (("--cull=tgid",), ("tgid",)),
    (("--cull=pid,tgid,name",), ("pid", "tgid", "comm")),
    (("--cull=name,stacktrace",), ("comm", "stack")),
    (("--cull=allocator",), ()),
    (("--cull=name,stacktrace,allocator,pid,tgid",), ("comm", "stack", "pid", "tgid")),
    (("--sort=-pid,+name",), WHOLE),
    (("--cull=stacktrace", "--sort=-stacktrace"), ("stack",)),
    (("--pid=1,2", "--cull=name"), ("pid", "comm")),
)


@pytest.fixture(scope="module", params=STAGES, ids=stage_id)
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "page_owner"
    path.write_bytes(read(request.param, "page_owner"))
    return path


@pytest.fixture(scope="module")
def original(text: Path) -> spo.Snapshot:
    return spo.open(text, page_size=4096)


def totals(snap: spo.Snapshot, keys: Sequence[str], where: str | None = None) -> Counter[tuple[object, ...]]:
    """Return base pages by keys, with comms as page_owner_sort can print them."""
    table = spo.attribute(snap, keys, where=where)
    found: Counter[tuple[object, ...]] = Counter()
    for row in table[[*keys, "mem_pages"]].itertuples(index=False, name=None):
        found[tuple(_printed(key, value) for key, value in zip(keys, row, strict=False))] += int(row[-1])
    return found


# It removes the first thing that looks like a time, although it may be a part of the comm. With --cull, a comm that is
# empty or has a newline is printed as nothing.
def _printed(key: str, value: object) -> object:
    if value is None or value is pd.NA or isinstance(value, float):
        return ""
    name = str(value).replace("ts 9 ns", "ts  ns") if key == "comm" else value
    return "" if key == "comm" and "\\n" in str(name) else name


@pytest.mark.parametrize(("options", "keys"), FORMS, ids=[" ".join(options) for options, _ in FORMS])
def test_amounts(
    text: Path, original: spo.Snapshot, tmp_path: Path, options: Sequence[str], keys: Sequence[str]
) -> None:
    # GIVEN what page_owner_sort makes of a kernel's text, under another name
    made = tmp_path / "x"
    subprocess.run([peer.BINARY, *options, text, made], stdout=subprocess.DEVNULL, check=True)
    snap = spo.open(made, page_size=4096)
    assert snap.meta.aggregate == "page_owner_sort"
    # THEN nothing of it is lost, and it has the same pages for each key
    counts = snap.meta.files["page_owner_sort"]
    assert counts.malformed == 0
    where = "pid == 1 or pid == 2" if options[:1] == ("--pid=1,2",) else None
    assert totals(snap, keys) == totals(original, keys, where)
    assert sum(totals(snap, keys).values()) == int(spo.attribute(original, [], where=where)["mem_pages"].iloc[0])
    # AND as many allocations
    allocations = sum(int(row) for batch in snap.dataframes("pages", ["allocations"]) for row in batch["allocations"])
    assert allocations == len(original.read("pages", ["pid"]).query(where or "pid == pid"))


def test_the_allocator(text: Path, tmp_path: Path) -> None:
    made = tmp_path / "x"
    subprocess.run([peer.BINARY, "--cull=allocator", text, made], stdout=subprocess.DEVNULL, check=True)
    printed = {
        line.split("allocated by ")[1].strip(): line.split()[2] for line in made.read_text().splitlines() if line
    }
    table = spo.attribute(made, "allocator")
    assert {name: str(pages) for name, pages in table[["allocator", "mem_pages"]].to_numpy()} == printed
