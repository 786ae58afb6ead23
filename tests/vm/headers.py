# SPDX-License-Identifier: LGPL-2.1-or-later
"""The headers embedded in a kernel image, unpacked like a distribution's package of headers."""

import hashlib
import lzma
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from tests.vm import kernels

__all__ = ["unpacked_headers"]

_XZ = b"\xfd7zXZ\0"


def unpacked_headers(bzimage: Path) -> Path | None:
    """Return the directory of this kernel's headers, which are unpacked once, into the user's cache directory.

    None if the kernel has none (CONFIG_IKHEADERS) or is not compressed with xz.
    """
    image = bzimage.read_bytes()
    directory = kernels.cache_directory() / "headers" / hashlib.sha256(image).hexdigest()[:16]
    if directory.is_dir():
        return directory
    vmlinux = _unpack(image[_payload(image) :])
    archive = _unpack(vmlinux[vmlinux.find(_XZ) :])
    if not archive:
        return None
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        whole = Path(scratch, "headers")
        with tarfile.open(fileobj=BytesIO(archive)) as members:
            members.extractall(whole, filter="data")
        try:
            whole.rename(directory)
        except OSError:
            # Another process has unpacked them meanwhile.
            if not directory.is_dir():
                raise
    return directory


# Documentation/arch/x86/boot.rst: setup_sects and payload_offset, which counts from the protected-mode code.
def _payload(image: bytes) -> int:
    return (image[0x1F1] + 1) * 512 + int.from_bytes(image[0x248:0x24C], "little")


# Data after the stream is ignored.
def _unpack(text: bytes) -> bytes:
    return lzma.LZMADecompressor().decompress(text) if text.startswith(_XZ) else b""
