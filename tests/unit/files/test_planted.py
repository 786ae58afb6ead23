# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root writes where another user can plant links and swap names: root's files are not changed or given away."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.access import Access, access_for
from spo_trace.files.descriptors import names
from spo_trace.files.kind import Kind
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.output_file import written
from tests.unit.files.hooks import after, before
from tests.unit.files.users import SUDO, USER, as_root, ids, mode, reads, shared

__all__ = ["shared"]

pytestmark = as_root

USERS = (USER.pw_uid, USER.pw_gid)
THINGS = Kind("a thing", lambda directory: found if set(found := names(directory)) <= {"a", "b"} else None)


class Victim(NamedTuple):
    """A file of root and its directory, both in a place where the user can rename them."""

    directory: Path
    file: Path

    def is_untouched(self) -> bool:
        """Return whether both are unchanged."""
        return (
            ids(self.directory) == ids(self.file) == (0, 0)
            and (mode(self.directory), mode(self.file)) == ("0700", "0600")
            and self.file.read_bytes() == b"root's own"
            and os.listdir(self.directory) == ["a"]  # noqa: PTH208
        )


@pytest.fixture
def victim(shared: Path) -> Victim:
    directory = shared / "victim"
    directory.mkdir(mode=0o700)
    (directory / "a").write_bytes(b"root's own")
    (directory / "a").chmod(0o600)
    return Victim(directory, directory / "a")


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Access:
    for name, value in SUDO.items():
        monkeypatch.setenv(name, value)
    return access_for()


def temporary(directory: Path) -> Path:
    """Return the temporary name in `directory`."""
    (found,) = directory.glob(".spo-trace-*.tmp")
    return found


# The last steps of an output directory and of a file: a user can act between any check and these.
EXCHANGE = "spo_trace.files.output_directory.exchange"
RENAME_DIRECTORY = "spo_trace.files.output_directory.rename_new"
RENAME_FILE = "spo_trace.files.output_file.rename_new"
REPLACED = r"/x was replaced by another program while it was being written$"


def test_a_complete_directory_belongs_to_the_user(shared: Path, access: Access) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        with output.create("deep/er/b") as file:
            file.write(b"b")
        # Before that, nobody else can enter it or plant anything in it.
        assert (ids(temporary(shared)), mode(temporary(shared))) == ((0, 0), "0700")
        output.commit()
    found = [shared / "x", *sorted((shared / "x").rglob("*"))]
    assert [ids(path) for path in found] == [USERS] * 4
    assert [mode(path) for path in found] == ["0700", "0700", "0700", "0600"]
    assert reads(USER, shared / "x/deep/er/b")


def test_a_complete_directory_has_the_given_mode(shared: Path) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access_for("nobody:daemon", 0o640)) as output:
        output.create("deep/b").close()
        output.commit()
    assert [mode(shared / "x" / name) for name in (".", "deep", "deep/b")] == ["0750", "0750", "0640"]


def put_in_place_of_temporary(shared: Path, victim: Victim, how: str) -> None:
    """Replace the temporary directory by the victim's directory, or by a link to it."""
    name = temporary(shared)
    name.rename(shared / "elsewhere")
    if how == "link":
        name.symlink_to(victim.directory)
    else:
        victim.directory.rename(name)


@pytest.mark.parametrize("how", ["link", "directory"])
def test_the_temporary_directory_is_replaced_right_after_creation(
    shared: Path, access: Access, victim: Victim, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def exchange() -> None:
        put_in_place_of_temporary(shared, victim, how)

    # GIVEN a user who replaces it with a file of root before it is opened
    after(monkeypatch, "os.mkdir", exchange)
    # WHEN an output is started, it is refused
    with (
        pytest.raises(SpoTraceError, match=r"can't be written|replaced while being created"),
        OutputDirectory(shared / "x", THINGS, access=access) as output,
    ):
        output.commit()
    # THEN the file of root is unchanged
    if how == "directory":
        temporary(shared).rename(victim.directory)
    assert victim.is_untouched()
    assert not (shared / "x").exists()


@pytest.mark.parametrize("when", ["while writing", "after the last check"])
@pytest.mark.parametrize("how", ["link", "directory"])
def test_the_temporary_directory_is_replaced(
    shared: Path, access: Access, victim: Victim, monkeypatch: pytest.MonkeyPatch, how: str, when: str
) -> None:
    def exchange() -> None:
        put_in_place_of_temporary(shared, victim, how)

    # GIVEN a user who puts something else in its place
    with (
        pytest.raises(SpoTraceError, match=REPLACED),
        OutputDirectory(shared / "x", THINGS, access=access) as output,
    ):
        if when == "while writing":
            exchange()
        else:
            before(monkeypatch, RENAME_DIRECTORY, exchange)
        # WHEN more files are created
        output.create("a").close()
        output.create("deep/b").close()
        output.commit()
    # THEN they went into the created directory, and are removed; nothing else is
    if how == "directory":
        (shared / "x" if when == "after the last check" else temporary(shared)).rename(victim.directory)
    assert victim.is_untouched()
    assert list((shared / "elsewhere").iterdir()) == []


def test_the_temporary_directory_is_replaced_before_the_exchange(
    shared: Path, access: Access, victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        output.create("a").close()
        output.commit()

    def exchange() -> None:
        name = temporary(shared)
        name.rename(shared / "elsewhere")
        victim.directory.rename(name)

    # WHEN the name of the new directory is given to a directory of root right before the exchange
    with (
        pytest.raises(SpoTraceError, match=REPLACED),
        OutputDirectory(shared / "x", THINGS, access=access, force=True) as output,
    ):
        output.create("b").close()
        before(monkeypatch, EXCHANGE, exchange)
        output.commit()
    # THEN nothing in that directory is changed, and the old output is complete
    (shared / "x").rename(victim.directory)
    assert victim.is_untouched()
    assert os.listdir(temporary(shared)) == ["a"]  # noqa: PTH208


def test_the_temporary_directory_is_replaced_before_removal(shared: Path, access: Access, victim: Victim) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        name = temporary(shared)
        output.create("b").close()
        name.rename(shared / "elsewhere")
        victim.directory.rename(name)
    # Only files that were created here are removed.
    name.rename(victim.directory)
    assert victim.is_untouched()


@pytest.mark.parametrize("how", ["link", "directory"])
def test_the_old_output_is_replaced_by_the_user_before_the_final_rename(
    shared: Path, access: Access, victim: Victim, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # GIVEN an old output of the user, and --force
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        output.commit()

    def exchange() -> None:
        (shared / "x").rmdir()
        if how == "link":
            (shared / "x").symlink_to(victim.directory)
        else:
            victim.directory.rename(shared / "x")

    # WHEN it is replaced, after the check, with something of root
    with (
        pytest.raises(SpoTraceError, match=REPLACED),
        OutputDirectory(shared / "x", THINGS, access=access, force=True) as output,
    ):
        output.create("b").close()
        before(monkeypatch, EXCHANGE, exchange)
        output.commit()
    # THEN that is not removed, and gets its name back
    if how == "directory":
        (shared / "x").rename(victim.directory)
    assert victim.is_untouched()
    assert sorted(path.name for path in shared.iterdir()) == (["victim"] if how == "directory" else ["victim", "x"])


@pytest.mark.parametrize(("name", "what"), [("a", "directory"), ("precious", "directory"), ("precious", "file")])
def test_a_user_adds_to_the_old_output_before_it_is_removed(
    shared: Path,
    access: Access,
    victim: Victim,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    what: str,
) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        output.create("b").close()
        output.commit()
    # WHEN something of root is put into the old output after it was recognised
    with OutputDirectory(shared / "x", THINGS, access=access, force=True) as output:
        output.create("b").close()
        thing = victim.directory if what == "directory" else victim.file
        after(monkeypatch, EXCHANGE, lambda: thing.rename(temporary(shared) / name))
        output.commit()
    # THEN it is kept, with a warning
    kept = temporary(shared)
    assert caplog.messages == [f"the replaced directory is kept as {kept}: Directory not empty"]
    (kept / name).rename(thing)
    assert victim.is_untouched()
    assert os.listdir(shared / "x") == ["b"]  # noqa: PTH208


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("force", [False, True])
def test_a_link_in_place_of_a_file(
    shared: Path, access: Access, victim: Victim, plant: Callable[[Path, Path], None], force: bool
) -> None:
    plant(shared / "x", victim.file)
    with (
        nullcontext() if force else pytest.raises(SpoTraceError, match=r"/x exists$"),
        written(shared / "x", access, force=force) as file,
    ):
        file.write(b"output")
    if not force:
        (shared / "x").unlink()
    else:
        assert (ids(shared / "x"), (shared / "x").read_bytes()) == (USERS, b"output")
    assert victim.is_untouched()


def test_a_failed_command_removes_only_its_own_temporary_file(shared: Path, access: Access) -> None:
    # GIVEN a user who gives the temporary name to a file of root, whose directory is the user's
    mine = shared / "file of root"
    mine.write_bytes(b"root's own")
    with pytest.raises(KeyboardInterrupt), written(shared / "x", access) as file:
        file.write(b"output")
        name = temporary(shared)
        name.unlink()
        mine.rename(name)
        raise KeyboardInterrupt
    assert name.read_bytes() == b"root's own"


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("when", ["while writing", "after the last check"])
def test_a_link_in_place_of_the_temporary_file(
    shared: Path,
    access: Access,
    victim: Victim,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Path, Path], None],
    when: str,
) -> None:
    def exchange() -> None:
        name = temporary(shared)
        name.unlink()
        plant(name, victim.file)

    with pytest.raises(SpoTraceError, match=REPLACED), written(shared / "x", access) as file:
        file.write(b"output")
        if when == "while writing":
            exchange()
        else:
            before(monkeypatch, RENAME_FILE, exchange)
    # The owner of the open file is changed, no matter where its name leads now.
    assert os.path.lexists(shared / "x") == (when == "after the last check")
    (shared / "x").unlink(missing_ok=True)
    assert victim.is_untouched()


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_link_exists_before_a_file_is_created(
    shared: Path,
    access: Access,
    victim: Victim,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Path, Path], None],
) -> None:
    # GIVEN a user who guesses the temporary name
    monkeypatch.setattr(os, "urandom", bytes)
    plant(shared / f".spo-trace-{'00' * 8}.tmp", victim.file)
    with pytest.raises(SpoTraceError, match=r"/x can't be written: File exists$"), written(shared / "x", access):
        pass
    assert victim.is_untouched()


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("where", ["name", "temporary"])
def test_links_in_a_directory_that_belongs_to_the_user(
    shared: Path,
    access: Access,
    victim: Victim,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Path, Path], None],
    where: str,
) -> None:
    # GIVEN a recording, to which files are added after it was given to the user
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        output.commit()
        # WHEN a link has the name of the next file, or replaces that file before it gets its name
        if where == "name":
            plant(shared / "x/b", victim.file)
        else:

            def exchange() -> None:
                name = temporary(shared / "x")
                name.unlink()
                plant(name, victim.file)

            after(monkeypatch, "os.fchown", exchange)
        said = r"/x/b exists$" if where == "name" else r"/x/b was replaced by another program while"
        with pytest.raises(SpoTraceError, match=said):
            output.add("b", b"sample")
    # THEN it is not followed
    (shared / "x/b").unlink(missing_ok=True)
    assert victim.is_untouched()


def test_a_directory_that_the_user_later_replaces_with_a_link(shared: Path, access: Access, victim: Victim) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        output.commit()
        (shared / "x").rename(shared / "moved")
        (shared / "x").symlink_to(victim.directory)
        output.add("b", b"sample")
    assert victim.is_untouched()
    assert (shared / "moved/b").read_bytes() == b"sample"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", ".."])
def test_names_cannot_leave_the_directory(shared: Path, access: Access, name: str) -> None:
    with (
        OutputDirectory(shared / "y", THINGS, access=access) as output,
        pytest.raises(SpoTraceError, match="not a valid name"),
    ):
        output.create(name)
    assert list(shared.iterdir()) == []


def test_a_target_that_appears_meanwhile_is_not_touched(shared: Path, access: Access, victim: Victim) -> None:
    with (
        pytest.raises(SpoTraceError, match=r"/x exists$"),
        OutputDirectory(shared / "x", THINGS, access=access) as output,
    ):
        output.create("b").close()
        victim.directory.rename(shared / "x")
        output.commit()
    (shared / "x").rename(victim.directory)
    assert victim.is_untouched()
    assert [path.name for path in shared.iterdir()] == ["victim"]
