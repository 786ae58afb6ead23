# SPDX-License-Identifier: LGPL-2.1-or-later
"""Decompress one page of a kdump-compressed dump; lzo and snappy need packages that spo-trace does not require."""

import importlib
import zlib
from collections.abc import Callable
from typing import Any

from spo_trace.memory.problem import Problem

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
        raise Problem(f"the dump is damaged: there is no compression {flags:#x}", _AGAIN) from None
    except Problem:
        raise
    except Exception as error:
        # Each library has its own exception for damaged data.
        raise Problem(f"the dump is damaged: a page cannot be decompressed ({error})", _AGAIN) from error


def _zlib(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size)


def _lzo(data: bytes, size: int) -> bytes:
    return bytes(_library("lzo", "lzo", "python-lzo").decompress(data, False, size))


def _snappy(data: bytes, size: int) -> bytes:
    module = _library("cramjam", "snappy", "cramjam")
    return bytes(module.snappy.decompress_raw(data, output_len=size))


def _zstd(data: bytes, size: int) -> bytes:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return bytes(importlib.import_module(name).ZstdDecompressor().decompress(data, size))
        except ModuleNotFoundError:
            continue
    return bytes(_library("backports.zstd", "zstd", "backports.zstd").ZstdDecompressor().decompress(data, size))


def _library(module: str, compression: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise Problem(
            f"the pages of this dump are compressed with {compression}, which needs the Python package {package}",
            f"pip install {package}; or convert the dump to zlib: makedumpfile -c -d 23 DUMP NEW",
        ) from None


_DECOMPRESSORS: dict[int, Callable[[bytes, int], bytes]] = {
    _ZLIB: _zlib,
    _LZO: _lzo,
    _SNAPPY: _snappy,
    _ZSTD: _zstd,
}

_AGAIN = "copy the dump again, or take another one"
