# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths that the user may not look up are an error with a hint, not a PermissionError."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import spo_trace as spo
from tests.unit.files.users import USER, as_root, shared

__all__ = ["shared"]

CALLS: dict[str, Callable[[Path], object]] = {
    "open": spo.open,
    "attribute": spo.attribute,
    "snapshot": lambda path: spo.snapshot("/nonexistent/x.spo", from_=path),
    "series": spo.series,
    "watch": lambda path: next(spo.watch(from_=path)),
    "export": lambda path: spo.export(path, "csv", "/nonexistent/x.csv"),
}


@contextmanager
def acting_as_user() -> Iterator[None]:
    """Use the effective user id of USER, so that permissions apply."""
    os.seteuid(USER.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@as_root
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("path", ["closed", "closed/capture", "closed/now.spo/snapshot.json"])
def test_a_path_that_may_not_be_looked_up(shared: Path, name: str, path: str) -> None:
    (shared / "closed").mkdir(mode=0o700)
    with acting_as_user(), pytest.raises(spo.SpoTraceError, match="Permission denied") as caught:
        CALLS[name](shared / path)
    assert str(shared / path) in caught.value.message
    assert caught.value.hint == "check the owner and the permissions of the path; or use sudo"
