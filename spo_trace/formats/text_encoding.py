# SPDX-License-Identifier: LGPL-2.1-or-later
"""UTF-16 and byte-order marks in a copied text."""

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Encoding", "decoded", "encoding_of", "plain_head"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = "Page allocated via".encode("utf-16-le")


class Encoding(NamedTuple):
    """Hold a text's encoding: a codec's name, and the length of its byte-order mark in bytes."""

    codec: str
    mark: int

    @property
    def width(self) -> int:
        """Return how many bytes an ASCII character takes."""
        return 1 if self.codec == "utf-8" else 2


def encoding_of(head: bytes) -> Encoding | None:
    """Return the encoding of a text that begins with `head`, None for plain bytes."""
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return Encoding(codec, len(mark))
    # PowerShell writes a byte-order mark; another program may have removed it.
    at = head.find(_WIDE)
    return None if at < 0 else Encoding("utf-16-be" if at % 2 else "utf-16-le", 0)


def decoded(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Yield text as UTF-8, without its byte-order mark."""
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace")
    skip = encoding.mark
    for chunk in chunks:
        kept, skip = chunk[skip:], max(0, skip - len(chunk))
        if encoding.codec == "utf-8":
            yield kept
        else:
            yield decoder.decode(kept).encode()


def plain_head(head: bytes) -> bytes:
    """Return the first bytes of a text as UTF-8."""
    encoding = encoding_of(head)
    return head if encoding is None else b"".join(decoded([head], encoding))
