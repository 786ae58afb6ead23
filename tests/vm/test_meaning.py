# SPDX-License-Identifier: LGPL-2.1-or-later
"""The category of each page, compared with its flags, for all kinds of memory, on one and two NUMA nodes."""

import pytest

import spo_trace as spo
from tests.page_kinds import KNOWN, allocators_as_callers
from tests.vm import guest, kernels, meaning_check
from tests.vm.meaning_check import GUESTS, Check
from tests.vm.support import Guest

pytestmark = pytest.mark.vm

# Each process: the category of its memory, and the base pages of it that it allocates at least.
KINDS = {
    "k-anon": ("anon", 512),
    "k-thp": ("anon", 1024),
    "k-shmem": ("tmpfs/shmem", 512),
    "k-pagecache": ("page cache", 1024),
    "k-pipe": ("pipe", 16 * 16),
    "k-socket": ("network", 64),
    "k-tables": ("page table", 256),
    "k-objects": ("slab", 64),
    # Half of its stacks: threads may reuse those of others.
    "k-stacks": ("kernel stack", 8 * 4),
    "k-bpf": ("bpf", 256),
    "k-io_uring": ("io_uring", 64),
    "k-perf": ("tracing", 64),
}
# Only in a kernel with these options.
SPECIAL = {"k-ksm": "missing: KSM", "k-hugetlb": "missing: hugetlb"}
POLICIES = ("default", "interleave", "many")
# All pages of the file and of the disk are in the cache after the first process.
SHARED = {"k-pagecache"}


@pytest.fixture(scope="module", params=GUESTS)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    try:
        machine = meaning_check.machine(request.param)
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    job, out = meaning_check.JOB.read_text(), tmp_path_factory.mktemp(request.param)
    return Guest(request.param, guest.run(machine, job, out))


@pytest.fixture(scope="module")
def check(held: Guest) -> Check:
    return meaning_check.check(held.name, held.out)


def test_each_kind_of_memory_exists(held: Guest) -> None:
    special = dict.fromkeys(SPECIAL, "held") if held.name.startswith("7.2-spo-full") else SPECIAL
    said = {line for line in held.log.splitlines() if " k-" in line}

    assert said == {
        f"{policy} {kind}: {special.get(kind, 'held')}" for policy in POLICIES for kind in (*KINDS, *SPECIAL)
    }


def test_no_page_has_a_wrong_category(check: Check) -> None:
    wrong = check.pages[check.pages["verdict"] == "wrong"]

    assert wrong.to_dict("records") == []
    assert check.sum(verdict="right") > 30_000


def test_known_differences_are_small(check: Check) -> None:
    counted = {name: check.sum(verdict=name) for name in KNOWN}

    assert {name: count for name, count in counted.items() if count > KNOWN[name].most} == {}
    assert check.in_flux < 1000


def test_categories_add_up_to_meminfo(check: Check) -> None:
    assert {name: line for name, line in check.lines.items() if not line.agrees} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_each_process_owns_its_kind_of_memory(check: Check, kind: str) -> None:
    category, least = KINDS[kind]
    owners = spo.attribute(check.snap, by=["comm", "pid", "category"])
    pages = owners[(owners["comm"] == kind) & (owners["category"] == category)]["mem_pages"].tolist()

    if kind in SHARED:
        pages = [max(pages)] * len(POLICIES)
    assert len(pages) == len(POLICIES)
    assert min(pages) >= least


def test_huge_pages_of_hugetlb_and_merged_pages_are_compared(held: Guest, check: Check) -> None:
    if not held.name.startswith("7.2-spo-full"):
        pytest.skip(f"{held.name} has neither")

    assert check.sum(category="other", kind="hugetlb") == 4 * 512
    assert check.sum(category="anon", kind="ksm") > 0
    assert "offline: " in held.log


def test_no_allocator_is_shown_as_the_caller(check: Check) -> None:
    assert allocators_as_callers(check.snap) == []


def test_the_kernel_logs_no_warnings(held: Guest) -> None:
    held.check_kernel()
