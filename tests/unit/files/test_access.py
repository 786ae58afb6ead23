# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners of output: sudo's caller where they may write, the user of --owner anywhere, nobody else."""

import logging
import os
import stat
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.files.access import OWN, Access, access_for, directory_mode, parse_mode
from spo_trace.files.output_file import written
from tests.unit.files.users import OTHER, SUDO, USER, as_root, ids, mode, reads, shared

__all__ = ["shared"]

MINE = (os.geteuid(), os.getegid())
USERS = (USER.pw_uid, USER.pw_gid)


@pytest.fixture(autouse=True)
def _without_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_UID", "SUDO_GID", "PKEXEC_UID", "DOAS_USER"):
        monkeypatch.delenv(name, raising=False)


def under_sudo(monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    for name, value in (SUDO | changed).items():
        monkeypatch.setenv(name, value)


def write(target: Path, access: Access) -> Path:
    with written(target, access) as file:
        file.write(b"who owns memory")
    return target


@as_root
def test_under_sudo_only_the_caller_can_read(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_sudo(monkeypatch)
    target = write(shared / "x", access_for())
    assert (ids(target), mode(target)) == (USERS, "0600")
    assert reads(USER, target)
    assert not reads(OTHER, target)


@as_root
@pytest.mark.parametrize("bits", [0o1777, 0o777])
def test_in_a_world_writable_directory_the_caller_becomes_owner(
    shared: Path, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    os.chown(shared, 0, 0)
    shared.chmod(bits)
    under_sudo(monkeypatch)
    target = write(shared / "x", access_for())
    assert (ids(target), mode(target)) == (USERS, "0600")
    assert not reads(OTHER, target)


@as_root
def test_where_the_caller_may_not_write_root_keeps_the_file_with_a_warning(
    shared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(shared, 0, 0)
    under_sudo(monkeypatch)
    target = write(shared / "x", access_for())
    assert (ids(target), mode(target)) == (MINE, "0600")
    (said,) = caplog.messages
    why = f"nobody may not write to {shared}. To give it to a user, add owner='USER'"
    assert said == f"{target} belongs to root: {why}"


@as_root
@pytest.mark.parametrize(
    "changed", [{"SUDO_UID": "-1"}, {"SUDO_UID": "4294967295"}, {"SUDO_UID": "x"}, {"SUDO_GID": "0"}, {"SUDO_GID": ""}]
)
def test_a_forged_environment_has_no_effect(
    shared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, changed: dict[str, str]
) -> None:
    under_sudo(monkeypatch, **changed)
    target = write(shared / "x", access_for())
    assert (ids(target), mode(target)) == (MINE, "0600")
    (said,) = caplog.messages
    assert "belongs to root: SUDO_" in said


@pytest.mark.parametrize("environment", [{}, {"SUDO_UID": "0", "SUDO_GID": "0"}], ids=["plain", "root through sudo"])
def test_without_another_user_there_is_no_change_and_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    target = write(tmp_path / "x", access_for())
    assert (ids(target), mode(target)) == (MINE, "0600")
    assert caplog.messages == []


def test_without_root_the_variables_of_sudo_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    under_sudo(monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert access_for() == OWN
    assert ids(write(tmp_path / "x", access_for())) == MINE
    assert caplog.messages == []


@as_root
def test_a_given_owner_is_set_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = write(tmp_path / "x", access_for("nobody:daemon", 0o640))
    assert (ids(target), mode(target)) == ((USER.pw_uid, OTHER.pw_gid), "0640")
    assert caplog.messages == []


@as_root
def test_a_given_owner_takes_precedence_over_sudos_caller(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_sudo(monkeypatch)
    assert ids(write(shared / "x", access_for("daemon"))) == (OTHER.pw_uid, OTHER.pw_gid)
    assert ids(write(shared / "y", access_for("root"))) == (0, 0)


@pytest.mark.parametrize("owner", ["root", "nobody", "daemon:daemon"])
def test_only_root_can_give_files_to_others(monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SpoTraceError) as caught:
        access_for(owner)
    assert caught.value.message == "only root can give files to another user or group"
    assert caught.value.hint == "use sudo, or leave out owner"


def test_users_can_give_themselves(tmp_path: Path) -> None:
    target = write(tmp_path / "x", access_for(f"{MINE[0]}:{MINE[1]}", 0o644))
    assert (ids(target), mode(target)) == (MINE, "0644")


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert mode(write(tmp_path / "x", OWN)) == "0600"
        assert mode(write(tmp_path / "y", access_for(mode=0o660))) == "0660"
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("text", "bits", "of_directory"),
    [
        ("0600", 0o600, 0o700),
        ("600", 0o600, 0o700),
        ("0o640", 0o640, 0o750),
        ("0644", 0o644, 0o755),
        ("0660", 0o660, 0o770),
        ("0664", 0o664, 0o775),
        ("00640", 0o640, 0o750),
    ],
)
def test_modes(text: str, bits: int, of_directory: int) -> None:
    assert parse_mode(text) == bits
    assert directory_mode(bits) == of_directory


@pytest.mark.parametrize("text", ["0666", "0602", "0777", "0002", "0606"])
def test_world_writable_modes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=rf"^mode {text} allows everyone to change the files$"):
        parse_mode(text)


NO_MODES = ["4600", "2640", "1640", "0700", "0650", "0400", "0200", "0040", "0", "77640"]


@pytest.mark.parametrize("text", [*NO_MODES, "", "-640", "0689", "rw", "+640", "640 ", "640\n", "٦٤٠"])
def test_invalid_modes_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mode(text)
    assert "mode" in caught.value.message
    assert caught.value.hint == "use a mode such as 0600, 0640, 0644 or 0660"


@pytest.mark.parametrize("bits", [-1, 0o666, 0o4640, 1 << 40])
def test_the_api_refuses_the_same_modes(bits: int) -> None:
    with pytest.raises(UsageError):
        access_for(mode=bits)


@as_root
def test_under_sudo_a_file_system_without_owners_is_accepted(
    shared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # GIVEN a file system that refuses to change owners, as FAT and squashed NFS do
    under_sudo(monkeypatch)
    monkeypatch.setattr(os, "fchown", refuse)
    # WHEN several files of one output are written
    fds = [os.open(shared / name, os.O_CREAT | os.O_WRONLY, 0o600) for name in "ab"]
    parent = os.open(shared, os.O_PATH)
    grant = access_for().grant_in(parent, shared / "x.spo")
    for fd in fds:
        grant.apply(fd)
    # THEN root keeps them, with a single warning
    assert {os.fstat(fd).st_uid for fd in fds} == {0}
    assert {stat.S_IMODE(os.fstat(fd).st_mode) for fd in fds} == {0o600}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "its owner cannot be changed: Operation not permitted" in caplog.text
    for fd in (*fds, parent):
        os.close(fd)


@as_root
def test_a_given_owner_that_cannot_be_set_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(SpoTraceError, match=r"/x: its owner cannot be changed: Operation not permitted$"):
        write(tmp_path / "x", access_for("nobody"))
    assert list(tmp_path.iterdir()) == []


def refuse(fd: int, uid: int, gid: int) -> None:
    raise PermissionError(1, "Operation not permitted")
