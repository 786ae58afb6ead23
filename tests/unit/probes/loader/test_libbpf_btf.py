# SPDX-License-Identifier: LGPL-2.1-or-later
"""libbpf finds in BTF what Python finds in it."""

import ctypes
from pathlib import Path

import pytest

from spo_trace.memory.btf import Btf
from spo_trace.probes.loader.hooks import FUNCTIONS
from spo_trace.probes.loader.libbpf import LIBRARY, system_libbpf
from spo_trace.probes.loader.libbpf_btf import LibbpfBtf
from tests.unit.memory.btf_data import kernel_btf

RUNNING = Path("/sys/kernel/btf/vmlinux")

MEMBERS = [
    *(("folio", name) for name in ("swap", "private", "_flags_1", "_folio_order")),
    *(("page", name) for name in ("private", "compound_order", "flags")),
    ("mem_section", "page_ext"),
    *(("page_owner", name) for name in ("order", "handle", "ts_nsec", "comm", "pid", "tgid")),
    ("vm_area_struct", "vm_mm"),
    ("mm_struct", "owner"),
    ("task_struct", "comm"),
    ("nothing", "at_all"),
]
ENUMERATORS = [
    ("pageflags", "PG_head"),
    ("pageflags", "PG_swapbacked"),
    ("pageflags", "PG_none"),
    ("page_ext_flags", "PAGE_EXT_OWNER_ALLOCATED"),
    ("nothing", "at_all"),
]


def has_library() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_library(), reason=f"this system has no {LIBRARY}")


@pytest.mark.parametrize("source", ["built", "running"])
def test_both_find_the_same(source: str) -> None:
    if source == "running" and not RUNNING.exists():
        pytest.skip("this kernel has no BTF")
    data = kernel_btf() if source == "built" else RUNNING.read_bytes()
    ours, theirs = Btf(data), LibbpfBtf(system_libbpf(), data)
    found = [theirs.offset(*member) for member in MEMBERS]
    assert found == [ours.offset(*member) for member in MEMBERS]
    assert any(found)
    assert [theirs.enumerator_of(*names) for names in ENUMERATORS] == [
        ours.enumerator_of(*names) for names in ENUMERATORS
    ]
    for name, _ in MEMBERS:
        assert theirs.size(name) == ours.size(name)
    for name in (*FUNCTIONS, "page", "nothing"):
        assert theirs.has_function(name) == ours.has_function(name)


def test_members_in_anonymous_structures() -> None:
    btf = LibbpfBtf(system_libbpf(), kernel_btf())
    assert (btf.offset("folio", "swap"), btf.offset("folio", "_flags_1"), btf.size("folio")) == (0x28, 64, 128)
    assert btf.enumerator_of("pageflags", "PG_swapbacked") == 17
    assert btf.has_function("swap_writeout")
    assert not btf.has_function("page")


@pytest.mark.parametrize("data", [bytes(64), kernel_btf()[:-8], kernel_btf()[:40]], ids=["no BTF", "cut", "cut more"])
def test_what_is_no_btf(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not BTF|Invalid argument"):
        LibbpfBtf(system_libbpf(), data)
