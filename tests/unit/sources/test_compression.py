# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compressed input: complete, truncated, damaged, in several parts."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from spo_trace.formats.text import Outcome
from spo_trace.sources import decompressed as decompressed_module
from spo_trace.sources.compression import (
    Rewound,
    decompressed,
    first_bytes,
    head_of,
    is_compressed,
    opened_head,
    read_chunks,
    without_suffix,
)
from spo_trace.sources.decompressors import format_of
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
def test_the_head_of_a_file(suffix: str) -> None:
    # Of a plain file, no more is read than is asked for
    plain, packed = io.BytesIO(TEXT), io.BytesIO(pack(TEXT, suffix))
    assert head_of(plain, 5000) == head_of(packed, 5000) == TEXT[:5000]
    assert plain.tell() == 5000
    assert head_of(io.BytesIO(pack(TEXT, suffix)), 1 << 20) == TEXT


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


FOREIGN = "reading the input failed: the compressed data is followed by other data, which is not read"


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("zeros", [1, 3, 4, 5, 511, 100_000])
def test_zeros_behind_the_last_member_are_padding(suffix: str, zeros: int) -> None:
    packed = pack(TEXT, suffix) + bytes(zeros)
    assert read(packed) == (TEXT, None)
    # AND also between members
    assert read(packed + pack(b"more\n", suffix) + bytes(zeros)) == (TEXT + b"more\n", None)


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("zeros", [0, 1, 100_000])
def test_other_data_behind_the_last_member_is_a_problem_and_nothing_is_lost(suffix: str, zeros: int) -> None:
    assert read(pack(TEXT, suffix) + bytes(zeros) + b"old data of the device") == (TEXT, FOREIGN)


@pytest.mark.parametrize("suffix", ["zst", "lz4"])
def test_skippable_frames_are_skipped(suffix: str) -> None:
    skipped = b"\x53\x2a\x4d\x18\x05\0\0\0other"
    assert read(pack(TEXT, suffix) + skipped + pack(b"more\n", suffix)) == (TEXT + b"more\n", None)


# Where a format has its check sum: behind all data, but in bz2 before the data of each block.
@pytest.mark.parametrize(("suffix", "at", "missing"), [("gz", -6, 0), ("xz", -28, 0), ("bz2", 12, 1), ("bz2", -2, 0)])
def test_a_wrong_check_sum_loses_no_text(suffix: str, at: int, missing: int) -> None:
    # GIVEN a file whose text is complete, and whose check sum is wrong
    packed = bytearray(pack(TEXT, suffix))
    packed[at] ^= 0x55
    content, problem = read(bytes(packed))
    # THEN the text is read, and the reason is the decompressor's own
    assert content == TEXT[: len(TEXT) - missing]
    assert problem is not None
    assert reason_of(suffix, bytes(packed)) in problem
    # AND the same for the first bytes
    assert opened_head(bytes(packed), len(TEXT)).content == content


def reason_of(suffix: str, packed: bytes) -> str:
    """Return the message of the standard library."""
    unpack: dict[str, Callable[[bytes], bytes]] = {
        "gz": lambda packed: zlib.decompress(packed, 31),
        "xz": lzma.decompress,
        "bz2": bz2.decompress,
    }
    with pytest.raises((zlib.error, lzma.LZMAError, OSError)) as caught:
        unpack[suffix](packed)
    return str(caught.value)


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_all_that_a_decompressor_gives_before_the_damage_is_kept(suffix: str, part: float) -> None:
    # GIVEN a damaged file
    packed = bytearray(pack(TEXT, suffix))
    packed[int(len(packed) * part)] ^= 0x55
    # WHEN it is decompressed byte by byte, and by the reader
    slowly = bytearray()
    known = format_of(bytes(packed))
    assert known is not None
    member = known.start()
    with suppress(ValueError, OSError, zlib.error, lzma.LZMAError):
        for byte in packed:
            slowly += member.decompress(bytes([byte]), 1)
            while not member.needs_input and not member.eof:
                slowly += member.decompress(b"", 1)
    # THEN both give the same
    assert read(bytes(packed))[0] == slowly


@pytest.mark.parametrize(("suffix", "at"), [("gz", -6), ("xz", -28)])
@pytest.mark.parametrize("limit", [1000, 1 << 15, 50_000])
def test_of_a_large_member_at_most_one_step_is_lost(
    monkeypatch: pytest.MonkeyPatch, suffix: str, at: int, limit: int
) -> None:
    # GIVEN a member of which not all input is kept
    monkeypatch.setattr(decompressed_module, "MAX_REPLAYED_BYTES", limit)
    packed = bytearray(pack(TEXT, suffix))
    assert len(packed) > limit
    packed[at] ^= 0x55
    content, problem = read(bytes(packed))
    assert problem is not None
    # THEN nothing is lost of gzip, whose state can be kept, and one step of other formats
    if suffix == "gz":
        assert content == TEXT
    else:
        assert TEXT.startswith(content)
        assert len(TEXT) - decompressed_module.STEP <= len(content) < len(TEXT)


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, gzip.compress])
def test_zeros_without_end_are_no_text(monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]) -> None:
    # GIVEN a lower limit on what is decompressed without a look at the ratio
    monkeypatch.setattr(decompressed_module, "MIN_EXPANDED_BYTES", 1 << 20)
    packed = compress(bytes(1 << 26))
    content, problem = read(packed)
    # THEN what expands by more than any text does is not read to its end; gz cannot expand by more than 1,032
    expands_too_much = compress is not gzip.compress
    assert (len(content) < 1 << 26) == expands_too_much
    assert (problem is not None and "expand to more than" in problem) == expands_too_much


def test_an_endless_padding_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompressed_module, "MAX_PADDING_BYTES", 1 << 20)

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) or bytes(size or 0)

        read1 = read

    outcome = Outcome()
    packed = pack(TEXT, "gz")
    assert b"".join(read_chunks(outcome, Endless(packed), packed[:16])) == TEXT
    assert outcome.problem == "reading the input failed: more than 0 GiB of zeros follow the compressed data"


def test_dictionaries_and_windows_are_bounded() -> None:
    # GIVEN an xz stream with a dictionary of 4 GiB, and a zstd frame with a window of 2 GiB
    assert read(_xz_with_dictionary(40))[1] == "reading the input failed: Memory usage limit exceeded"
    frame = b"\x28\xb5\x2f\xfd" + bytes([0x00, (31 - 10) << 3]) + b"\x01\x00\x00"
    problem = read(frame)[1]
    assert problem is not None
    assert "memory" in problem


# The same bytes with another dictionary size: the block header has its code (40: 4 GiB) and a CRC.
def _xz_with_dictionary(code: int) -> bytes:
    packed = bytearray(lzma.compress(b"text"))
    size = (packed[12] + 1) * 4
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = code
    packed[12 + size - 4 : 12 + size] = zlib.crc32(packed[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(packed)


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
