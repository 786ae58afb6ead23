# SPDX-License-Identifier: LGPL-2.1-or-later
"""comm.awk over records with known answers."""

from tests.oracle.awk import CommTotals, comm_totals, pages_by_comm

DD = b"""\
Page allocated via order 2, mask 0x100cca(GFP_HIGHUSER_MOVABLE), pid 110, tgid 110 (dd), ts 17 ns
PFN 0x5064 type Movable Block 40 type Movable Flags 0x21(locked|lru|node=0|zone=1)
 prep_new_page+0x1c/0x48

Page allocated via order 0, mask 0x100cca(GFP_HIGHUSER_MOVABLE), pid 111, tgid 111 (dd), ts 18 ns (swapped)
PFN 0x5068 type Movable Block 40 type Movable Flags 0x21(locked|lru|node=0|zone=1)
 prep_new_page+0x1c/0x48
Charged to memcg /

"""
KWORKER = b"""\
Page allocated via order 10, mask 0x0(), pid 7, tgid 7 (kworker/1:0 (x)), ts 5 ns
PFN 0x400 type Unmovable Block 2 type Unmovable Flags 0x4(referenced|node=0|zone=0)

"""
NAIVE = b"Page allocated via pid 9, tgid 9 (na\xc3\xafve \xff), ts 5 ns\nSWP entry 0x1\n a+0x1/0x2\n\n"


def test_orders_and_marks_are_summed_by_comm() -> None:
    assert comm_totals(DD + KWORKER) == {
        b"dd": CommTotals(5, 2, 1),
        b"kworker/1:0 (x)": CommTotals(1024, 1, 0),
    }


def test_a_swap_record_is_one_page_and_bytes_stay_bytes() -> None:
    assert comm_totals(NAIVE * 3) == {b"na\xc3\xafve \xff": CommTotals(3, 3, 0)}


def test_memory_and_swap_are_joined() -> None:
    swap = NAIVE.replace(b"na\xc3\xafve \xff", b"dd") + NAIVE
    assert pages_by_comm(DD, swap) == {b"dd": (5, 1), b"na\xc3\xafve \xff": (0, 1)}


def test_empty_input_has_an_empty_result() -> None:
    assert pages_by_comm(b"", b"") == {}


def test_a_large_sum_is_an_exact_integer() -> None:
    assert comm_totals(KWORKER.replace(b"order 10", b"order 40") + DD)[b"kworker/1:0 (x)"].pages == 1 << 40
