# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said on kernels of different releases, as root and as another user: no file that the kernel does not have."""

import gzip
import os
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import snapshot_needs, why_no_page_owner
from spo_trace.sources.source import STACK_FILES
from spo_trace.sources.unreadable import Unreadable
from tests.collectors import collected_of, this_machine
from tests.support import capture, entry, page

DEBUGFS = "sys/kernel/debug"
MOUNT = {"proc/self/mountinfo": b"30 23 0:7 / /sys/kernel/debug rw - debugfs debugfs rw\n"}
STACKS = tuple(f"page_owner_stacks/{name}" for name in STACK_FILES)


class Kernel(NamedTuple):
    """Hold the files of page_owner that a kernel has, and whether it has the patches."""

    files: tuple[str, ...]
    patched: bool = False


KERNELS = {
    "4.19": Kernel(("page_owner",)),
    "6.1": Kernel(("page_owner",)),
    "6.12": Kernel(("page_owner", STACKS[0])),
    "7.2": Kernel(("page_owner", *STACKS)),
    "7.2-spo": Kernel(("page_owner", *STACKS, "swap_page_owner"), patched=True),
}
FILES = {"page_owner", "swap_page_owner", *STACK_FILES}


def tree(root: Path, name: str, cmdline: str, knows: str) -> None:
    """Write the files of a kernel booted with `cmdline`, which is known to be patched by `knows`."""
    kernel = KERNELS[name]
    files = dict(MOUNT) | {"proc/cmdline": cmdline.encode(), "proc/sys/kernel/osrelease": name.encode()}
    if "page_owner=on" in cmdline:
        files |= {f"{DEBUGFS}/{file}": page() for file in kernel.files}
        if kernel.patched:
            files[f"{DEBUGFS}/swap_page_owner"] = entry(1)
    else:
        files[f"{DEBUGFS}/other"] = b""
    if knows == "config":
        option = b"CONFIG_SWAP_PAGE_OWNER=y\n" if kernel.patched else b""
        files["proc/config.gz"] = gzip.compress(b"CONFIG_PAGE_OWNER=y\n" + option)
    elif knows == "symbols":
        files["proc/kallsyms"] = b"ff T __set_page_owner\n" + b"ff t swap_page_owner_store\n" * kernel.patched
    elif knows == "symbols, and another kernel's configuration":
        files["proc/kallsyms"] = b"ff T __set_page_owner\n" + b"ff t swap_page_owner_store\n" * kernel.patched
        files["boot/config-" + name] = b"CONFIG_PAGE_OWNER=y\n"
    capture(root, files)


# Not in tmp_path, which only its owner may search.
@pytest.fixture
def root() -> Iterator[Path]:
    """Return a directory that all users may search; only root may search its debugfs."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        os.seteuid(os.getuid())
        (Path(name) / DEBUGFS).chmod(0o700)


def said_by(root: Path) -> str:
    """Return all that doctor and the errors of the source say."""
    machine = Machine(root)
    texts = [f"{check.found}; {check.fix}" for check in snapshot_needs(machine)]
    why = why_no_page_owner(machine)
    texts += [f"{why.text}; {why.hint}"] if why else []
    with tempfile.TemporaryDirectory() as scratch:
        source = collected_of(root, Path(scratch))
        for name in sorted(FILES):
            try:
                if source.open(name) is None:
                    texts.append(source.why_missing(name).text.replace(f"has no {name}", "lacks that"))
            except Unreadable as error:
                texts.append(f"{error.message}; {error.hint}")
    return "\n".join(texts)


KNOWN = ("config", "symbols", "symbols, and another kernel's configuration")


@pytest.mark.parametrize(("name", "user"), [*product(KERNELS, ("root", "user"))])
def test_no_text_names_a_file_that_the_kernel_does_not_have(root: Path, name: str, user: str) -> None:
    tree(root, name, "page_owner=on", "config")
    (root / DEBUGFS).chmod(0o700)
    if user == "user":
        if os.geteuid() == 0:
            os.seteuid(65534)
        else:
            (root / DEBUGFS).chmod(0)
    said = said_by(root)
    absent = set(STACK_FILES) - {file.rpartition("/")[2] for file in KERNELS[name].files}
    assert not [file for file in absent if f"{file} can't be read" in said or f"/{file}" in said]
    if user == "user":
        assert "not root" in said or os.access(root / DEBUGFS, os.X_OK)


@pytest.mark.parametrize(("name", "knows"), [*product(KERNELS, KNOWN)])
def test_the_boot_option_includes_swap_if_the_kernel_has_the_patches(root: Path, name: str, knows: str) -> None:
    tree(root, name, "quiet", knows)
    fixes = [check.fix for check in snapshot_needs(Machine(root, euid=0)) if check.code == "page_owner"]
    assert fixes == [
        f"add page_owner=on{',swap' * KERNELS[name].patched} to the kernel's command line"
        " (GRUB_CMDLINE_LINUX, then update-grub) and reboot"
    ]


def test_both_boot_options_are_named_if_it_is_unknown(root: Path) -> None:
    tree(root, "7.2-spo", "quiet", "nothing")
    why = why_no_page_owner(Machine(root, euid=0))
    assert why is not None
    assert "page_owner=on (page_owner=on,swap if the kernel has the swap_page_owner patches)" in why.hint


def test_a_directory_that_may_not_be_searched_is_named_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a process that runs as root, but may not search debugfs (capabilities were dropped)
    tree(root, "6.1", "page_owner=on", "config")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (root / DEBUGFS).chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    with pytest.raises(Unreadable) as caught:
        this_machine(root).open("show_stacks_handles")
    assert caught.value.message == f"{root / DEBUGFS} can't be read: Permission denied (EACCES)"
