# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which worker runs which tests, and when: those of a guest run on one, so that it boots once; long guests first."""

import os
import re
from contextlib import suppress

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.vm import kernels
from tests.vm.qemu import accelerator

_KERNEL = re.compile(r"\[(\d+\.\d+-[a-z]+)")
# Here each test without a kernel as its parameter has a guest of its own.
_GUEST_EACH = "test_trace.py"
# Those that take longest, so that none of them is left to run alone at the end; the others follow as they are.
_LONGEST = (
    "test_on_the_patched_kernel_both_answers_are_the_same",
    "test_trace.py 7.2-stock",
    "test_trace.py 6.12-stock",
    "test_trace.py 6.1-stock",
    "test_sudo.py",
    "test_torture.py",
    "test_rfc.py",
    "test_life.py",
    "test_watch.py",
    "test_live.py",
    "test_trace.py",
)


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
    """Keep the tests of one guest together: those of a file that have the same kernel as their parameter, or none."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)

    def schedule(self) -> None:
        """Hand out scopes in the order of the tests, not by how many tests each has."""
        self.config.option.loadscopereorder = False
        super().schedule()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Give out tests by guest, whatever --dist says."""
    return ByGuest(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Have one more than guests run at once, for what is looked at on the host when a guest is done."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Try KVM once, not in each worker with each kernel: where it hangs a trial takes a processor for seconds."""
    with suppress(kernels.KernelMissing):
        os.environ["SPO_TRACE_ACCEL"] = accelerator(kernels.find("7.2-stock"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest guests first."""
    items.sort(key=lambda item: _place(item.nodeid))
