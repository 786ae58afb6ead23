# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark's text has the expected totals according to the reference parser."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spo_trace.formats.page_owner import page_batches
from spo_trace.formats.record import Reject, split_records
from spo_trace.formats.stack_table import StackTable
from tests.bench.generate import generate, stack_hash, truth_path

RECORDS = 500


@pytest.fixture
def text(tmp_path: Path) -> Path:
    generate(tmp_path / "page_owner", RECORDS)
    return tmp_path / "page_owner"


def parse(text: Path) -> tuple[list[dict[str, Any]], StackTable]:
    """Return the rows and the stacks of the reference parser, which must not reject anything."""
    stacks, rejects = StackTable(), list[Reject]()
    batches = page_batches(split_records([text.read_bytes()]), stacks, rejects.append)
    rows = pa.Table.from_batches(list(batches)).to_pylist()
    assert rejects == []
    return rows, stacks


def test_the_expected_totals_are_those_of_the_reference_parser(text: Path) -> None:
    rows, stacks = parse(text)
    comms, by_stack = Counter[str](), Counter[str]()
    for row in rows:
        comms[row["comm"]] += 1 << row["order"]
        by_stack[stack_hash(";".join(stacks[row["stack_id"]].frames))] += 1 << row["order"]
    assert json.loads(truth_path(text).read_bytes()) == {
        "seed": 1,
        "records": len(rows),
        "bytes": text.stat().st_size,
        "pages": comms.total(),
        "distinct_stacks": len(stacks),
        "comms": comms,
        "stacks": by_stack,
    }
    assert len(rows) == RECORDS


def test_page_frames_are_ascending_and_aligned_to_their_order(text: Path) -> None:
    end = 0
    for row in parse(text)[0]:
        assert row["pfn"] >= end
        assert row["pfn"] % (1 << row["order"]) == 0
        end = row["pfn"] + (1 << row["order"])


def test_records_are_as_varied_and_as_long_as_those_of_a_large_machine(text: Path) -> None:
    rows, stacks = parse(text)
    assert 650 < text.stat().st_size / RECORDS < 800
    assert {len(stack.frames) for stack in stacks} <= set(range(6, 17))
    assert 0.25 < sum(row["memcg"] is not None for row in rows) / RECORDS < 0.42
    for name in ("slab", "swapped", "memcg_objcg", "memcg_offline", "last_migrate_reason"):
        assert any(row[name] for row in rows), name
    for name, at_least in {"order": 4, "gfp_flags": 8, "page_flags": 20, "node": 2, "comm": 80}.items():
        assert len({row[name] for row in rows}) >= at_least, name


def test_the_text_depends_on_the_seed_only(tmp_path: Path) -> None:
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        generate(tmp_path / str(number), RECORDS, seed)
        texts.append((tmp_path / str(number)).read_bytes())
    assert texts[0] == texts[1] != texts[2]
