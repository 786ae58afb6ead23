# SPDX-License-Identifier: LGPL-2.1-or-later
"""swp_entry_t: type and offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.formats.swp_entry import SwpEntry, decode, encode


@pytest.mark.parametrize(
    ("value", "bits", "swap_type", "offset"),
    [
        (0x2E, 64, 0, 46),
        (0x0400000000000001, 64, 1, 1),
        (0x4000000000000046, 64, 16, 0x46),
        (0x03FFFFFFFFFFFFFF, 64, 0, 2**58 - 1),
        (2**64 - 1, 64, 63, 2**58 - 1),
        (0x2E, 32, 0, 46),
        (0x04000001, 32, 1, 1),
        (0xFFFFFFFF, 32, 63, 2**26 - 1),
        (0x04000001, 64, 0, 0x04000001),
    ],
)
def test_decode(value: int, bits: int, swap_type: int, offset: int) -> None:
    assert decode(value, bits=bits) == SwpEntry(swap_type, offset)


@given(st.integers(0, 63), st.integers(0, 2**58 - 1))
def test_encode_is_the_inverse(swap_type: int, offset: int) -> None:
    assert decode(encode(swap_type, offset)) == (swap_type, offset)
    assert 0 <= encode(swap_type, offset) < 2**64


@given(st.integers(0, 2**64 - 1))
def test_decode_loses_nothing(value: int) -> None:
    assert encode(*decode(value)) == value
