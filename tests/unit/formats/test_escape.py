# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of any bytes, escaped and unescaped."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.formats.escape import escape, unescape


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"kworker/u9:2 (x)", "kworker/u9:2 (x)"),
        (b"a\nb", "a\\nb"),
        (b"a\\b", "a\\\\b"),
        (b"a\\nb", "a\\\\nb"),
        (b"\\101", "\\\\101"),
        (b"\0\t\r\x1b\x7f", "\\000\\011\\015\\033\\177"),
        (b"\xff\xfe\xc3", "\\377\\376\\303"),
        ("größe 漢字 🐧".encode(), "größe 漢字 🐧"),
        (b"\xc2\x85\xc2\xa0", "\\302\\205\\302\\240"),
        (b"\xe2\x80\xae", "\\342\\200\\256"),
        (b"\xe2\x80\xa8", "\\342\\200\\250"),
        (b"\xed\xa0\x80", "\\355\\240\\200"),
        (b"\xef\xbb\xbf", "\\357\\273\\277"),
    ],
)
def test_escape(raw: bytes, text: str) -> None:
    assert escape(raw) == text
    assert unescape(text) == raw


@pytest.mark.parametrize("byte", range(256))
def test_each_byte_alone_and_before_digits(byte: int) -> None:
    for raw in (bytes([byte]), bytes([byte]) + b"77", b"\\" + bytes([byte])):
        assert unescape(escape(raw)) == raw
        assert escape(raw).isprintable()


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_printable_and_reversible(raw: bytes) -> None:
    text = escape(raw)
    assert unescape(text) == raw
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert text.splitlines() == ([text] if text else [])
    text.encode("utf-8", "strict")


@pytest.mark.parametrize("text", ["a\\", "\\x", "\\777", "\\40", "\\08x"])
def test_a_stored_text_that_is_not_escaped_stays(text: str) -> None:
    assert unescape(text) == text.encode()
    assert unescape("\\n" + text) == b"\n" + text.encode()


@given(st.text(max_size=60))
def test_any_text_can_be_unescaped(text: str) -> None:
    unescape(text)


@given(st.binary(max_size=15), st.binary(max_size=15))
def test_distinct_names_stay_distinct(one: bytes, other: bytes) -> None:
    assert (escape(one) == escape(other)) == (one == other)
