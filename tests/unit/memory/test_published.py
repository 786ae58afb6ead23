# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel publishes: the modules of a series of readings are those of now."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.memory import published
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.published import Published
from tests.unit.memory.test_modules import HEAD, TEXT, kernel_with

FRAME = TEXT + 0x14
WITH_MODULE = b"init+0x4/0xf0 [loop]"
ADDRESS = b"%#x" % FRAME

LOOP = "loop 40960 0 - Live 0xffffffffc0009000\n"


class Machine:
    """Hold a machine whose modules change; the kernel's memory has loop until `remove` is called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.list = root / "modules"
        self.directory = root / "module"
        (self.directory / "loop").mkdir(parents=True)
        self.list.write_text(LOOP)
        self.kernel = kernel_with(new=True)
        self.published = Published.__new__(Published)
        self.published.symbols, self.published.types = self.kernel.symbols, self.kernel.types
        self.published._modules = None

    def text(self) -> bytes:
        """Return the text of a frame in loop, as in the next reading of a series."""
        self.published.update_modules(self.kernel)
        return self.kernel.symbols.text(FRAME)

    def empty(self) -> None:
        """Remove loop from the kernel's memory alone."""
        empty = kernel_with(new=True)
        empty.image.put(HEAD, HEAD.to_bytes(8, "little"))  # type: ignore[attr-defined]
        self.kernel = Kernel(empty.image, self.kernel.symbols, self.kernel.types)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path)
    monkeypatch.setattr(published, "_MODULES", found.list)
    monkeypatch.setattr(published, "_MODULE_DIRECTORIES", found.directory)
    return found


def removed(machine: Machine) -> None:
    machine.list.write_text("")
    (machine.directory / "loop").rmdir()


def loaded(machine: Machine) -> None:
    machine.list.write_text(LOOP + "nbd 61440 0 - Loading 0xffffffffc0020000\n")


def initialised(machine: Machine) -> None:
    machine.list.write_text(LOOP.replace("40960", "32768"))


def unloading(machine: Machine) -> None:
    machine.list.write_text(LOOP.replace("Live", "Unloading"))


def moved(machine: Machine) -> None:
    machine.list.write_text(LOOP.replace("c0009000", "c0109000"))


def loaded_again(machine: Machine) -> None:
    (machine.directory / "new").mkdir()
    (machine.directory / "new").rename(machine.directory / "loop")


@pytest.mark.parametrize("change", [removed, loaded, initialised, unloading, moved, loaded_again])
def test_modules_are_read_again_after_a_change(machine: Machine, change: Callable[[Machine], None]) -> None:
    # GIVEN a series that has read a module
    assert machine.text() == WITH_MODULE
    machine.empty()
    # WHEN a change shows that they may not be the same
    change(machine)
    # THEN the frames of a module that is gone are addresses, as the kernel prints them
    assert machine.text() == ADDRESS


def test_modules_that_stay_are_read_once(machine: Machine) -> None:
    assert machine.text() == WITH_MODULE
    machine.empty()
    # GIVEN one more reference to the module, and one more module that uses it
    machine.list.write_text(LOOP.replace("0 -", "1 nbd,"))
    # THEN nothing was read again, or the text would be another
    assert machine.text() == WITH_MODULE


@pytest.mark.parametrize("name", ["_MODULES", "_MODULE_DIRECTORIES"])
def test_modules_are_read_each_time_if_changes_cannot_be_seen(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(published, name, machine.root / "none")
    assert machine.text() == WITH_MODULE
    machine.empty()
    assert machine.text() == ADDRESS
