# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compressed input: complete, truncated, damaged, in several parts."""

import io

import pytest

from spo_trace.formats.text import Outcome
from spo_trace.sources.compression import (
    Rewound,
    decompressed,
    first_bytes,
    is_compressed,
    read_chunks,
    without_suffix,
)
from tests.support import CODECS, pack

# It compresses moderately: several steps are decompressed before a cut in the middle.
TEXT = b"".join(b"%d %x\n" % (n, n * 2654435761) for n in range(9000))


def read(packed: bytes) -> tuple[bytes, str | None]:
    """Read a file with this content; return the text and the problem."""
    outcome = Outcome()
    content = b"".join(read_chunks(outcome, io.BytesIO(packed), packed[:16]))
    return content, outcome.problem


@pytest.mark.parametrize("suffix", CODECS)
def test_complete_files(suffix: str) -> None:
    packed = pack(TEXT, suffix)
    assert is_compressed(packed)
    assert read(packed) == (TEXT, None)
    assert first_bytes(packed) == TEXT[:4096]


@pytest.mark.parametrize("suffix", CODECS)
def test_two_members(suffix: str) -> None:
    assert read(pack(TEXT, suffix) + pack(b"more\n", suffix)) == (TEXT + b"more\n", None)


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_truncated_file_gives_its_start_and_a_problem(suffix: str, kept: float) -> None:
    packed = pack(TEXT, suffix)
    content, problem = read(packed[: int(len(packed) * kept)])
    assert TEXT.startswith(content)
    assert len(content) < len(TEXT)
    assert problem is not None
    assert problem.startswith("reading the input failed: ")
    assert "\n" not in problem


@pytest.mark.parametrize("suffix", CODECS)
def test_the_last_byte_missing_is_noticed(suffix: str) -> None:
    assert read(pack(TEXT, suffix)[:-1])[1] is not None


# These formats always have a checksum; in zstd and lz4 it is optional.
@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_damaged_byte_never_gives_other_text(suffix: str) -> None:
    packed = bytearray(pack(TEXT, suffix))
    packed[len(packed) // 2] ^= 0x55
    content, problem = read(bytes(packed))
    assert problem is not None
    # Text before the checksum may contain the damage, but it is incomplete.
    assert content != TEXT


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("size", range(1, 6))
def test_a_file_of_a_few_bytes(suffix: str, size: int) -> None:
    content, problem = read(pack(TEXT, suffix)[:size])
    assert content == b"" or problem is None


def test_plain_text() -> None:
    assert read(TEXT) == (TEXT, None)
    assert first_bytes(TEXT, 10) == TEXT[:10]
    assert read(b"") == (b"", None)


def test_an_error_of_the_disk_is_a_problem_of_the_text() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    outcome = Outcome()
    assert list(read_chunks(outcome, Failing(), b"Page")) == []
    assert outcome.problem == "reading the input failed: [Errno 5] Input/output error"


def test_rewound_gives_the_head_first() -> None:
    raw = Rewound(b"abc", io.BytesIO(b"defg"))
    assert [raw.read(2), raw.read(2), raw.read(3), raw.read(), raw.read()] == [b"ab", b"c", b"def", b"g", b""]
    assert Rewound(b"abc", io.BytesIO(b"def")).read() == b"abcdef"
    packed = pack(TEXT, "gz")
    again = Rewound(packed[:7], io.BytesIO(packed[7:]))
    assert decompressed(again, packed[:7]).read(50) == TEXT[:50]


def test_suffixes() -> None:
    assert [without_suffix(n) for n in ("page_owner.zst", "a.tar.gz", "page_owner", "x.gz.gz")] == [
        "page_owner",
        "a.tar",
        "page_owner",
        "x.gz",
    ]
