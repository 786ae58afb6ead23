# SPDX-License-Identifier: LGPL-2.1-or-later
"""BTF: members through anonymous structures and unions, bit fields, enumerators, functions."""

from pathlib import Path

import pytest

from spo_trace.memory.btf import Btf
from tests.unit.memory.btf_data import Builder, kernel_btf


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf(kernel_btf())


@pytest.mark.parametrize(
    ("name", "member", "offset"),
    [
        ("folio", "swap", 0x28),
        ("folio", "private", 0x28),
        ("folio", "_flags_1", 64),
        ("folio", "_folio_order", None),
        ("page", "private", 0x28),
        ("mem_section", "page_ext", 16),
        ("page_owner", "comm", 32),
        ("page_owner", "tgid", 52),
        ("handle_parts", "offset", 2),
        ("nothing", "at_all", None),
    ],
)
def test_member_offsets(btf: Btf, name: str, member: str, offset: int | None) -> None:
    assert btf.offset(name, member) == offset


def test_sizes_enumerators_and_functions(btf: Btf) -> None:
    assert [btf.size(name) for name in ("page", "folio", "page_owner", "nothing")] == [64, 128, 64, None]
    assert [btf.enumerator(name) for name in ("PG_head", "PAGE_EXT_OWNER_ALLOCATED", "PG_none")] == [6, 1, None]
    assert [btf.has_function(name) for name in ("swap_writeout", "swap_read_folio", "page")] == [True, True, False]
    assert [btf.enumerator_of("pageflags", name) for name in ("PG_head", "PAGE_EXT_OWNER")] == [6, None]
    assert btf.enumerator_of("nothing", "PG_head") is None


def test_invalid_btf() -> None:
    with pytest.raises(ValueError, match="not BTF"):
        Btf(bytes(64))


@pytest.mark.skipif(not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF")
def test_btf_of_the_running_kernel() -> None:
    btf = Btf(Path("/sys/kernel/btf/vmlinux").read_bytes())
    # struct list_head has two pointers on every kernel.
    assert (btf.size("list_head"), btf.offset("list_head", "next"), btf.offset("list_head", "prev")) == (16, 0, 8)
    assert btf.has_function("schedule")


def test_bit_fields_arrays_and_sizes_of_members(btf: Btf) -> None:
    assert btf.bit_field("handle_parts", "offset") == (17, 10)
    assert btf.bit_field("handle_parts", "pool_index_plus_1") == (0, 17)
    assert [btf.bit_field("page_owner", "order"), btf.bit_field("nothing", "at_all")] == [None, None]
    assert [btf.length("page_owner", name) for name in ("comm", "pid", "nothing")] == [16, None, None]
    assert [btf.member_size("page_owner", name) for name in ("order", "ts_nsec", "comm", "nothing")] == [
        2,
        8,
        None,
        None,
    ]


def test_structures_that_contain_each_other_have_an_end() -> None:
    builder = Builder()
    # Types are numbered from 1: the anonymous structure is its own member.
    builder.structure("", 8, ("", 1, 0))
    builder.structure("outer", 8, ("", 1, 0))
    with pytest.raises(ValueError, match="structures contain each other"):
        Btf(builder.data()).offset("outer", "member")
