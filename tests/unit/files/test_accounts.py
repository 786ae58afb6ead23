# SPDX-License-Identifier: LGPL-2.1-or-later
"""The caller of sudo and the user of --owner: only existing users are accepted."""

import os
import pwd
import stat
from types import SimpleNamespace

import pytest

from spo_trace.errors import UsageError
from spo_trace.files.accounts import Account, caller, find_account
from tests.unit.files.users import OTHER, SUDO, USER

UNUSED = next(uid for uid in range(60_000, 65_000) if uid not in {entry.pw_uid for entry in pwd.getpwall()})

HOSTILE = ["", "-1", "+7", " 7", "7 ", "7\n", "7_0", "0x7", "1e3", "٧", "nobody", str(UNUSED), "4294967294"]
HOSTILE += ["4294967295", "4294967296", "18446744073709551616", "9" * 5000, "7;id", "../7", "\x1b[1m"]


def test_without_sudo_there_is_no_caller() -> None:
    assert caller({}) is None
    assert caller({"SUDO_USER": "nobody", "SUDO_GID": "7", "USER": "nobody"}) is None


def test_the_caller_of_sudo_has_the_group_in_sudo_gid() -> None:
    account = caller(SUDO)
    assert account is not None
    assert (account.uid, account.gid, account.name) == (USER.pw_uid, USER.pw_gid, USER.pw_name)
    assert USER.pw_gid in account.groups


def test_a_supplementary_group_is_a_group_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, OTHER.pw_gid])
    account = caller(SUDO | {"SUDO_GID": str(OTHER.pw_gid)})
    assert account is not None
    assert (account.uid, account.gid) == (USER.pw_uid, OTHER.pw_gid)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_caller_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^SUDO_UID is not a user of this machine$"):
        caller(SUDO | {"SUDO_UID": text})
    with pytest.raises(ValueError, match=r"^PKEXEC_UID is not a user of this machine$"):
        caller({"PKEXEC_UID": text})


@pytest.mark.parametrize("text", [*HOSTILE, "0", str(OTHER.pw_gid)], ids=range(len(HOSTILE) + 2))
def test_a_group_that_is_not_the_callers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^SUDO_GID is not a group of nobody$"):
        caller(SUDO | {"SUDO_GID": text})


def test_a_caller_without_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^SUDO_GID is not a group of nobody$"):
        caller({"SUDO_UID": SUDO["SUDO_UID"]})


@pytest.mark.parametrize(
    "environment",
    [
        {"SUDO_UID": "0", "SUDO_GID": "0"},
        {"SUDO_UID": "0", "SUDO_GID": "x"},
        {"PKEXEC_UID": "0"},
        {"DOAS_USER": "root"},
    ],
    ids=["sudo", "sudo and a wrong group", "pkexec", "doas"],
)
def test_root_as_caller_stays_root(environment: dict[str, str]) -> None:
    assert caller(environment) is None


@pytest.mark.parametrize(
    "environment", [{"PKEXEC_UID": str(USER.pw_uid)}, {"DOAS_USER": "nobody"}], ids=["pkexec", "doas"]
)
def test_without_sudo_the_group_is_that_of_the_passwd_entry(environment: dict[str, str]) -> None:
    account = caller(environment)
    assert account is not None
    assert (account.uid, account.gid) == (USER.pw_uid, USER.pw_gid)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nobody", (USER.pw_uid, USER.pw_gid)),
        ("nobody:", (USER.pw_uid, USER.pw_gid)),
        ("nobody:daemon", (USER.pw_uid, OTHER.pw_gid)),
        (f"{USER.pw_uid}", (USER.pw_uid, USER.pw_gid)),
        (f"{UNUSED}:{UNUSED}", (UNUSED, UNUSED)),
        (f"{UNUSED}:daemon", (UNUSED, OTHER.pw_gid)),
        ("root", (0, 0)),
    ],
)
def test_an_owner_is_a_user_with_or_without_a_group(text: str, expected: tuple[int, int]) -> None:
    account = find_account(text)
    assert (account.uid, account.gid) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no user ''"),
        (":daemon", "there is no user ''"),
        ("no-such-user", "there is no user 'no-such-user'"),
        ("-1", "there is no user '-1'"),
        ("4294967295", "there is no user '4294967295'"),
        ("nobody\0x", r"there is no user 'nobody\x00x'"),
        ("nobody:no-such-group", "there is no group 'no-such-group'"),
        ("nobody:-1", "there is no group '-1'"),
        ("nobody:4294967295", "there is no group '4294967295'"),
        (f"{UNUSED}", f"the group of uid {UNUSED} is unknown: it has no passwd entry"),
        (f"{UNUSED}:", f"the group of uid {UNUSED} is unknown: it has no passwd entry"),
    ],
)
def test_an_owner_that_does_not_exist_is_a_usage_error(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_account(text)
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "may"),
    [
        (7, 9, 0o700, True),
        (7, 9, 0o500, False),
        (7, 9, 0o600, False),
        # The owner's bits apply to the owner, the group's bits to the group.
        (7, 9, 0o077, False),
        (1, 8, 0o070, True),
        (1, 8, 0o707, False),
        (1, 9, 0o077, True),
        (1, 2, 0o770, False),
        (1, 2, 0o003, True),
        (1, 2, 0o002, False),
        # All users may create files in /tmp; the sticky bit prevents others from removing them.
        (0, 0, 0o1777, True),
        (0, 0, 0o755, False),
    ],
)
def test_where_a_user_may_write(uid: int, gid: int, mode: int, may: bool) -> None:
    status = SimpleNamespace(st_uid=uid, st_gid=gid, st_mode=stat.S_IFDIR | mode)
    assert Account(7, 8, "x", frozenset({8, 9})).may_write(status) is may  # type: ignore[arg-type]
