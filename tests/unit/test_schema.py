# SPDX-License-Identifier: LGPL-2.1-or-later
"""Columns: their names and types are stable, because other tools read snapshots."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from spo_trace import schema

DOCUMENT = Path(schema.__file__).parent / "snapshots" / "SCHEMA.md"

# A change here needs a new SCHEMA_VERSION and an entry in SCHEMA.md.
NAME = "dictionary<values=string, indices=int32, ordered=0>"
PAGES = {
    "pfn": "int64?",
    "order": "uint8",
    "gfp_mask": "uint32?",
    "gfp_flags": NAME + "?",
    "pid": "int32?",
    "tgid": "int32?",
    "comm": NAME + "?",
    "ts_nsec": "int64?",
    "free_ts_nsec": "int64?",
    "migratetype": NAME + "?",
    "pageblock_migratetype": NAME + "?",
    "page_flags": "uint64?",
    "page_flag_names": NAME + "?",
    "node": "int16?",
    "zone": "int16?",
    "stack_id": "uint32",
    "last_migrate_reason": NAME + "?",
    "memcg": NAME + "?",
    "memcg_offline": "bool?",
    "memcg_objcg": "bool?",
    "slab": "bool",
    "module_name": NAME + "?",
    "swapped": "bool",
    "memcg_path": NAME + "?",
    "kernel_pid": "int32?",
    "kernel_tgid": "int32?",
    "kernel_comm": NAME + "?",
    "kernel_ts_nsec": "int64?",
    "kernel_stack_id": "uint32?",
}
SWAP = {
    "swp_entry": "uint64",
    "swap_type": "uint8",
    "swap_offset": "int64",
    "pid": "int32?",
    "tgid": "int32?",
    "comm": NAME + "?",
    "ts_nsec": "int64?",
    "stack_id": "uint32",
    "pfn": "int64?",
    "origin": NAME,
}
STACKS = {
    "stack_id": "uint32",
    "stack_hash": "string",
    "symbol_hash": "string",
    "frames": "list<item: string>",
    "handle": "uint32?",
    "nr_base_pages": "int64?",
    "category": "string",
    "caller": "string",
    "module": "string",
}
SITES = {
    "file": "string",
    "line": "uint32",
    "module": "string?",
    "function": "string",
    "bytes": "int64",
    "calls": "int64",
    "accurate": "bool",
}


def types(table: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) + "?" * field.nullable for field in table}


PROCESSES = {"tgid": "int32", "comm": NAME, "swap_bytes": "int64", "swap_share_bytes": "int64?"}
CGROUPS = {"memcg": NAME, "memcg_path": NAME, "swap_bytes": "int64?"}
SLAB_CACHES = {
    "slab_cache": "string",
    "active_objects": "int64",
    "objects": "int64",
    "object_bytes": "int64",
    "objects_per_slab": "int64",
    "pages_per_slab": "int64",
    "slabs": "int64",
}


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("pages", PAGES),
        ("swap", SWAP),
        ("stacks", STACKS),
        ("sites", SITES),
        ("processes", PROCESSES),
        ("cgroups", CGROUPS),
        ("slab_caches", SLAB_CACHES),
    ],
)
def test_columns_and_their_order(name: str, columns: dict[str, str]) -> None:
    assert list(types(schema.ALL_TABLES[name]).items()) == list(columns.items())
    assert list(schema.TABLES) == ["pages", "swap", "stacks"]
    assert list(schema.ALL_TABLES) == [*schema.TABLES, "aggregates", *schema.OF_FILE]
    assert schema.SCHEMA_VERSION == 7


def test_aggregates_have_the_columns_of_pages_and_counts() -> None:
    own = {"allocations": "int64?", "base_pages": "int64?", "allocator": f"{_NAME}?", "event": f"{_NAME}?"}
    pages = {field.name: str(field.type) + "?" * (field.name != "stack_id") for field in schema.PAGES}
    assert types(schema.AGGREGATES) == pages | own


_NAME = "dictionary<values=string, indices=int32, ordered=0>"


@pytest.mark.parametrize("name", schema.ALL_TABLES)
def test_each_column_has_a_meaning(name: str) -> None:
    for field in schema.ALL_TABLES[name]:
        assert set(field.metadata) == {b"source", b"meaning"}
        assert field.metadata[b"meaning"].strip()


def test_the_same_column_has_one_type_in_all_tables() -> None:
    for name, kind in SWAP.items():
        assert PAGES.get(name, kind) == kind
    assert STACKS["stack_id"] == SWAP["stack_id"] == PAGES["stack_id"]


def test_the_document_has_every_column() -> None:
    documented = re.findall(r"^\| (\w+) \| ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    for columns in (PAGES, SWAP, STACKS):
        assert set(columns) <= set(documented)
