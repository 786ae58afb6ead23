# SPDX-License-Identifier: LGPL-2.1-or-later
"""A compiled library that is missing or does not fit."""

import logging
from pathlib import Path

import pytest

from spo_trace.native import library


@pytest.mark.parametrize(
    ("content", "level", "text"),
    [
        (None, logging.INFO, "the compiled scanner is missing"),
        (b"\x7fELF", logging.WARNING, "the compiled scanner does not fit (/"),
    ],
)
def test_the_log_says_why_parsing_is_slow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
    level: int,
    text: str,
) -> None:
    # GIVEN no library, or a file that this process cannot load, as one of another libc
    path = tmp_path / "libspo.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(library, "PATH", path)
    caplog.set_level(logging.INFO)
    # THEN there is no library, and only a file that does not fit is a warning
    assert library.load.__wrapped__() is None
    assert [(one.levelno, text in one.getMessage()) for one in caplog.records] == [(level, True)]


def test_a_library_of_another_version_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "_VERSION", -1)
    if library.PATH.exists():
        assert library.load.__wrapped__() is None
        assert "instead of -1" in caplog.text
