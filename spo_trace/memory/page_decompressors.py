# SPDX-License-Identifier: LGPL-2.1-or-later
"""Decompress one page of a kdump-compressed dump.

Libraries are imported when a page needs them: live reading uses the standard library alone.
"""

import importlib
import sys
import zlib
from collections.abc import Callable

from spo_trace.memory.problem import COPY_AGAIN, Problem
from spo_trace.version import INSTALL_LZO

__all__ = ["decompress"]

# Flags of a page's descriptor (DUMP_DH_COMPRESSED_* of makedumpfile's diskdump_mod.h).
_ZLIB, _LZO, _SNAPPY, _ZSTD = 0x1, 0x2, 0x4, 0x20


def decompress(data: bytes, flags: int, size: int) -> bytes:
    """Return a page of `size` bytes; raise Problem if the data is damaged, or if a package is missing."""
    if not flags:
        return data
    try:
        return _DECOMPRESSORS[flags](data, size)
    except KeyError:
        raise Problem(f"the dump is damaged: there is no compression {flags:#x}", COPY_AGAIN) from None
    except Problem:
        raise
    except Exception as error:
        # Each library has its own exception for damaged data.
        raise Problem(f"the dump is damaged: a page cannot be decompressed ({error})", COPY_AGAIN) from error


def _zlib(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size)


def _lzo(data: bytes, size: int) -> bytes:
    try:
        library = importlib.import_module("lzallright")
    except ModuleNotFoundError:
        raise Problem(
            "the pages of this dump are compressed with lzo, which needs the Python package lzallright",
            f"{INSTALL_LZO}; or convert the dump to zlib: makedumpfile -c -d 23 DUMP NEW",
        ) from None
    return bytes(library.LZOCompressor.decompress(data, output_size_hint=size))


def _snappy(data: bytes, size: int) -> bytes:
    return bytes(importlib.import_module("pyarrow").Codec("snappy").decompress(data, size, asbytes=True))


def _zstd(data: bytes, size: int) -> bytes:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return bytes(importlib.import_module(name).ZstdDecompressor().decompress(data, size))


_DECOMPRESSORS: dict[int, Callable[[bytes, int], bytes]] = {
    _ZLIB: _zlib,
    _LZO: _lzo,
    _SNAPPY: _snappy,
    _ZSTD: _zstd,
}
