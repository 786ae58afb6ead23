# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root writes where another user can plant links and swap names: root's files are not changed or given away."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.access import Access, access_for
from spo_trace.files.descriptors import names
from spo_trace.files.output_directory import Kind, OutputDirectory
from spo_trace.files.output_file import written
from tests.unit.files.users import SUDO, USER, as_root, ids, mode, reads, shared

__all__ = ["shared"]

pytestmark = as_root

USERS = (USER.pw_uid, USER.pw_gid)
THINGS = Kind("a thing", lambda directory: set(names(directory)) <= {"a", "b"})


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
    (found,) = directory.glob(".*.tmp-*")
    return found


def after(monkeypatch: pytest.MonkeyPatch, function: str, do: Callable[[], None]) -> None:
    """Do something once, right after the next call of a function of `os`: a race that always happens."""
    real = getattr(os, function)

    def hooked(*arguments: object, **named: object) -> object:
        result = real(*arguments, **named)
        monkeypatch.setattr(os, function, real)
        do()
        return result

    monkeypatch.setattr(os, function, hooked)


def before(monkeypatch: pytest.MonkeyPatch, function: str, do: Callable[[], None]) -> None:
    """Do something once, right before the next call of a function of `os`."""
    real = getattr(os, function)

    def hooked(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(os, function, real)
        do()
        return real(*arguments, **named)

    monkeypatch.setattr(os, function, hooked)


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


@pytest.mark.parametrize("how", ["link", "directory"])
def test_the_temporary_directory_is_replaced_right_after_creation(
    shared: Path, access: Access, victim: Victim, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def exchange() -> None:
        name = temporary(shared)
        name.rename(shared / "elsewhere")
        if how == "link":
            name.symlink_to(victim.directory)
        else:
            victim.directory.rename(name)

    # GIVEN a user who replaces it with a file of root before it is opened
    after(monkeypatch, "mkdir", exchange)
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


def test_the_temporary_directory_is_replaced_during_writing(shared: Path, access: Access, victim: Victim) -> None:
    with OutputDirectory(shared / "x", THINGS, access=access) as output:
        name = temporary(shared)
        name.rename(shared / "elsewhere")
        name.symlink_to(victim.directory)
        output.create("b").close()
        output.commit()
    # The files went into the created directory; the user has only renamed their own link.
    assert victim.is_untouched()
    assert os.listdir(shared / "elsewhere") == ["b"]  # noqa: PTH208
    assert (shared / "x").is_symlink()


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
    (victim.directory / "precious").touch()

    def exchange() -> None:
        (shared / "x").rmdir()
        if how == "link":
            (shared / "x").symlink_to(victim.directory)
        else:
            victim.directory.rename(shared / "x")

    # WHEN it is replaced, after the check, with a directory of root that is not an output
    with (
        pytest.raises(SpoTraceError, match=r"/x (is a symbolic link|exists and is not a thing)$"),
        OutputDirectory(shared / "x", THINGS, access=access, force=True) as output,
    ):
        before(monkeypatch, "rename", exchange)
        output.commit()
    # THEN that directory is not removed, and gets its name back
    if how == "directory":
        (shared / "x").rename(victim.directory)
    assert (victim.directory / "precious").exists()
    (victim.directory / "precious").unlink()
    assert victim.is_untouched()
    assert sorted(path.name for path in shared.iterdir()) == (["victim"] if how == "directory" else ["victim", "x"])


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_place_of_a_file(
    shared: Path, access: Access, victim: Victim, plant: Callable[[Path, Path], None]
) -> None:
    plant(shared / "x", victim.file)
    with written(shared / "x", access) as file:
        file.write(b"output")
    assert victim.is_untouched()
    assert (ids(shared / "x"), (shared / "x").read_bytes()) == (USERS, b"output")


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_place_of_the_temporary_file(
    shared: Path, access: Access, victim: Victim, plant: Callable[[Path, Path], None]
) -> None:
    with written(shared / "x", access) as file:
        file.write(b"output")
        name = temporary(shared)
        name.unlink()
        plant(name, victim.file)
    # The owner of the open file is changed, no matter where its name leads now.
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
    monkeypatch.setattr("secrets.token_hex", lambda size: "0")
    plant(shared / ".x.tmp-0", victim.file)
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

            after(monkeypatch, "fchown", exchange)
        output.add("b", b"sample")
    # THEN it is not followed
    assert victim.is_untouched()
    if where == "name":
        assert (ids(shared / "x/b"), mode(shared / "x/b")) == (USERS, "0600")
        assert (shared / "x/b").read_bytes() == b"sample"


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
