# SPDX-License-Identifier: LGPL-2.1-or-later
"""Distribution of tests to workers: all tests of a guest on one worker, so that it boots once; long guests first."""

import os
import re
import time
from contextlib import suppress

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.vm import kernels
from tests.vm.qemu import accelerator

# With the number of NUMA nodes in test_meaning.py, the page size in test_arm64.py, and the loader in test_trace.py.
_KERNEL = re.compile(r"\[(\d+\.\d+-(?:arm64-\d+k|[a-z]+(?:-full)?(?:-\dn)?)(?:-libbpf|-bcc)?)")
# In these files, each test without a kernel as its parameter has its own guest.
_GUEST_EACH = ("test_trace.py", "test_fresh.py")
# The longest ones, so that none of them runs alone at the end; the others follow in their usual order.
_LONGEST = (
    "test_on_the_patched_kernel_probes_and_kernel_agree",
    "test_trace.py 7.2-stock",
    "test_trace.py 6.12-stock",
    "test_trace.py 6.1-stock",
    "test_fresh.py",
    "test_systemd.py",
    "test_sudo.py",
    "test_arm64.py",
    "test_memory.py",
    "test_torture.py",
    "test_crash.py",
    "test_rfc.py",
    "test_life.py",
    "test_meaning.py",
    "test_watch.py",
    "test_verify.py",
    "test_live.py",
    "test_trace.py",
)

# One guest of each kind, which check the whole tool in a third of the time of all: with the mark `core`.
_CORE = (
    "test_trace.py::test_on_the_patched_kernel_probes_and_kernel_agree[libbpf]",
    "test_trace.py::test_without_page_owner_events_are_counted[trixie-bcc]",
    "test_sudo.py",
    "test_memory.py 7.2-spo-full",
    "test_collector.py",
    "test_crash.py",
    "test_rfc.py 7.2-spo",
    "test_verify.py 6.1-stock",
    "test_live.py 7.2-spo",
    "test_doctor.py",
    "test_capture_script.py",
    "test_runner.py",
)

_START = time.monotonic()
_begun: set[str] = set()


def _scope(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    kernel = _KERNEL.search(nodeid)
    if kernel:
        return f"{file} {kernel[1]}"
    return nodeid if file.endswith(_GUEST_EACH) else file


def _place(nodeid: str) -> int:
    scope = _scope(nodeid)
    return next((place for place, part in enumerate(_LONGEST) if part in scope), len(_LONGEST))


class ByGuest(LoadScopeScheduling):  # type: ignore[misc]
    """Keep the tests of one guest together: tests of one file with the same kernel as parameter, or without one."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)

    def schedule(self) -> None:
        """Assign scopes in the order of the tests, not by their number of tests."""
        self.config.option.loadscopereorder = False
        super().schedule()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Distribute tests by guest, for any --dist."""
    return ByGuest(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use one worker more than parallel guests, for checks on the host after a guest is done."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Try KVM once, not in each worker for each kernel: a trial that hangs occupies a processor for seconds."""
    with suppress(kernels.KernelMissing):
        os.environ["SPO_TRACE_ACCEL"] = accelerator(kernels.find("7.2-stock"))


# First, so that -m knows the mark.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark one guest of each kind, and put the longest guests first."""
    for item in items:
        if _scope(item.nodeid).removeprefix("tests/vm/") in _CORE:
            item.add_marker("core")
    items.sort(key=lambda item: _place(item.nodeid))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a guest whose turn comes more than $SPO_TRACE_VM_SECONDS after the start of this run."""
    limit = os.environ.get("SPO_TRACE_VM_SECONDS")
    scope = _scope(item.nodeid)
    if limit and scope not in _begun and time.monotonic() - _START > float(limit):
        pytest.skip(f"not begun within {limit} s: this machine is too slow or busy")
    _begun.add(scope)
