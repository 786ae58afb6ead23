# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places in copied text; tests/unit/sources/test_captured_text.py tests what is cleaned."""

from collections import Counter

import pytest

from spo_trace.formats import copied_text
from tests.support import page

TEXT = page(0x200) + page(0x220, 1)


def test_old_places_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a small limit on remembered places
    monkeypatch.setattr(copied_text, "_MAX_LOOK_BACK", 1 << 16)
    monkeypatch.setattr(copied_text, "LONGEST_PIECE", 1 << 12)
    copied = copied_text.CopiedText(Counter())
    text = b"".join(b"> " + line for line in (TEXT * 1000).splitlines(keepends=True))
    clean = b"".join(copied.clean([text], text[: copied_text.HEAD]))
    # THEN the text is complete, and places near its end are known
    assert clean == TEXT * 1000
    assert len(copied._starts) < 40
    at = len(clean) - len(page(0x220, 1))
    offset, line = copied.place(at, 0)
    assert text[offset:].startswith(b"Page allocated via order 1")
    assert line == text.count(b"\n", 0, offset) + 1
