# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that holds compressed swap: which stacks, how much, and when it counts twice."""

from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.balance import balance
from spo_trace.analysis.compressed_swap import Compressor, compressed_swap, compressor_of
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.question import Question
from spo_trace.analysis.snapshot_notes import snapshot_notes
from spo_trace.analysis.totals import totals
from spo_trace.snapshots.reader import Snapshot
from tests.support import CARRIED, MACHINE, entry, meminfo, page, snapshot_of, swaps

ZRAM = (b"__alloc_pages_noprof+0x1/0x2", b"zs_malloc+0x1/0x2", b"zram_submit_bio+0x1/0x2", b"__submit_bio+0x1/0x2")
ZSWAP = (b"alloc_zpdesc+0x1/0x2", b"zs_malloc+0x1/0x2", b"zswap_store+0x1/0x2", b"swap_writeout+0x1/0x2")
EVERY = Question.of([])
FILES = {**MACHINE, "meminfo": meminfo(swap_total=1000, swap_free=990), "swap_page_owner": entry(1)}


def snapshot(tmp_path: Path, **files: bytes) -> Snapshot:
    """Return a snapshot with 4 pages of zram, 2 of zswap and 1 of dd."""
    pages = page(order=2, stack=ZRAM) + page(0x110, 1, stack=ZSWAP) + page(0x120)
    return snapshot_of(tmp_path, {**FILES, "page_owner": pages, "swaps": swaps(zram0=1), **files})


@pytest.mark.parametrize(
    ("names", "category", "expected"),
    [
        # 7.2, 6.1 (module), 4.19, with zpool, and z3fold and zbud.
        ("zs_malloc zram_submit_bio __submit_bio", "block", Compressor.ZRAM),
        ("alloc_zspage zs_malloc zram_write_page zram_bvec_rw zram_submit_bio", "block", Compressor.ZRAM),
        ("zs_malloc zs_zpool_malloc zpool_malloc zswap_frontswap_store", "block", Compressor.ZSWAP),
        ("z3fold_alloc z3fold_zpool_malloc zpool_malloc zswap_store", "block", Compressor.ZSWAP),
        ("zbud_zpool_malloc zpool_malloc zswap_store", "block", Compressor.ZSWAP),
        # Descriptions of the pool, of the device, and a table of it.
        ("alloc_slab_page kmem_cache_alloc_noprof zs_malloc zram_submit_bio", "slab", None),
        ("alloc_slab_page zs_create_pool disksize_store", "slab", None),
        ("vzalloc zram_meta_alloc disksize_store", "vmalloc", None),
        # Another user of zsmalloc.
        ("zs_malloc other_store", "other", None),
    ],
)
def test_stacks(names: str, category: str, expected: Compressor | None) -> None:
    assert compressor_of([f"{name}+0x1/0x2" for name in names.split()], category) is expected


def notes_of(snap: Snapshot, question: Question = EVERY) -> list[Note]:
    """Return the notes of a report, by default without keys."""
    return snapshot_notes(snap, question, totals(attribute(snap, question)))


def test_a_condition_selects_the_pages(tmp_path: Path) -> None:
    # GIVEN 2 pages of zram that cat allocated, and 4 that dd did
    pages = page(order=2, stack=ZRAM) + page(0x110, 1, stack=ZRAM, comm=b"cat")
    snap = snapshot_of(tmp_path, {**FILES, "page_owner": pages, "swaps": swaps(zram0=1)})
    of_cat, large = Question.of([], 'comm == "cat"'), Question.of([], "bytes == 8192")
    assert compressed_swap(snap, of_cat) == compressed_swap(snap, large) == {Compressor.ZRAM: 2}
    # THEN nothing counts twice if the condition leaves out swap
    codes = [{note.code for note in notes_of(snap, Question.of([], where))} for where in ("pid == 7", "node == 0")]
    assert [NoteCode.COMPRESSED_SWAP in found for found in codes] == [True, False]


def test_the_pages_of_each_compressor(tmp_path: Path) -> None:
    snap = snapshot(tmp_path)
    assert compressed_swap(snap, EVERY) == {Compressor.ZRAM: 4, Compressor.ZSWAP: 2}
    assert [note.text for note in notes_of(snap) if note.code is NoteCode.COMPRESSED_SWAP] == [
        "16.00 KiB of memory hold the compressed contents of zram: the swap there counts a second time as memory",
        "8.00 KiB of memory hold the compressed contents of zswap: pages of swap that count a second time as memory",
    ]
    asides = balance(snap).set_index("item")["pages"]
    assert (asides["in zram"], asides["in zswap"]) == (4, 2)


def test_zram_without_swap_holds_something_else(tmp_path: Path) -> None:
    assert compressed_swap(snapshot(tmp_path, swaps=swaps(vda=1)), EVERY) == {Compressor.ZSWAP: 2}


def test_swap_that_is_not_in_the_table_does_not_count_twice(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if name != "swap_page_owner"}
    snap = snapshot_of(tmp_path, {**files, "page_owner": page(order=2, stack=ZRAM), "swaps": swaps(zram0=1)})
    assert [note.code for note in notes_of(snap)] == [NoteCode.SWAP_UNKNOWN]


def test_a_real_kernel(tmp_path: Path) -> None:
    # GIVEN a capture of Linux 7.2 with 25 MB of zram in use, of pages that compress well
    snap = spo.snapshot(from_=CARRIED / "7.2-spo-varied" / "2-swapped", output=tmp_path / "x.spo")
    assert compressed_swap(snap, EVERY) == {Compressor.ZRAM: 99}
