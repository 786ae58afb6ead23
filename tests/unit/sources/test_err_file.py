# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest

from spo_trace.formats.missing import Missing
from spo_trace.sources.err_file import read_err

PATH = "/sys/kernel/debug/page_owner"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ENOENT", Missing.NO_FILE),
        ("EACCES", Missing.PERMISSION),
        ("EPERM", Missing.PERMISSION),
        ("EINVAL", Missing.NOT_SWITCHED_ON),
        ("ETIMEDOUT", Missing.BLOCKED),
        ("EIO", Missing.READ_ERROR),
        ("ENOMEM", Missing.READ_ERROR),
        ("E2BIG", Missing.TOO_LARGE),
        ("UNKNOWN", Missing.UNKNOWN),
        # A code that is not in the table.
        ("ELOOP", Missing.UNKNOWN),
    ],
)
def test_the_code_decides_and_not_the_text(code: str, expected: Missing) -> None:
    # GIVEN messages that contradict the code
    for text in ("No such file or directory", "Datei oder Verzeichnis nicht gefunden", ""):
        assert read_err(f"{code}: cat: {PATH}: {text}\n".encode()).code is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"cat: {PATH}: No such file or directory", Missing.NO_FILE),
        (f"cat: can't open '{PATH}': Permission denied", Missing.PERMISSION),
        (f"cat: {PATH}: Operation not permitted", Missing.PERMISSION),
        ("cat: read error: Invalid argument", Missing.NOT_SWITCHED_ON),
        (f"cat: {PATH}: Input/output error", Missing.READ_ERROR),
        ("cat: read error: I/O error", Missing.READ_ERROR),
        (f"cat: {PATH}: Cannot allocate memory", Missing.READ_ERROR),
        ("cat: read error: Out of memory", Missing.READ_ERROR),
    ],
)
def test_captures_without_codes_have_messages_of_the_c_locale(message: str, expected: Missing) -> None:
    assert read_err(f"{message}\n".encode()) == (expected, message, "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cat: /x: Datei oder Verzeichnis nicht gefunden\n",
        b"cat: /No such file or directory: Es ist kaputt\n",
        b"\xff\xfe\0\n",
    ],
)
def test_anything_else_is_unknown(content: bytes) -> None:
    assert read_err(content).code is Missing.UNKNOWN


def test_the_text_is_escaped_and_bounded() -> None:
    why = read_err(b"EINVAL: cat: \x1b[31mred\n" + b"x" * 1000)
    assert why.text.startswith("cat: \\033[31mred\\n")
    assert len(why.text) < 250
