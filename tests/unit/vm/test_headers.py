# SPDX-License-Identifier: LGPL-2.1-or-later
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from tests.vm.headers import unpacked_headers

# The protected-mode code of a bzImage starts after this many sectors and contains the payload.
SETUP_SECTORS, PAYLOAD = 3, 0x2C8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(f"./include/{name}.h")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return out.getvalue()


def bzimage(path: Path, payload: bytes) -> Path:
    head = bytearray((SETUP_SECTORS + 1) * 512 + PAYLOAD)
    head[0x1F1] = SETUP_SECTORS
    head[0x248:0x24C] = PAYLOAD.to_bytes(4, "little")
    path.write_bytes(bytes(head) + payload + b"what follows")
    return path


def test_the_headers_of_a_kernel_are_unpacked_once(tmp_path: Path) -> None:
    # GIVEN a kernel with headers between other data
    kernel = bzimage(tmp_path / "a", lzma.compress(b"\x7fELF" + archive(page=b"struct page;") + b"symbols"))

    # WHEN they are requested twice, and the unpacked files were changed in between
    first = unpacked_headers(kernel)
    assert first is not None
    text = (first / "include" / "page.h").read_text()
    (first / "include" / "page.h").write_text("changed")

    # THEN they are those of the kernel, and are not unpacked again
    assert text == "struct page;"
    assert unpacked_headers(kernel) == first
    assert (first / "include" / "page.h").read_text() == "changed"
    assert list(first.parent.iterdir()) == [first]


def test_each_kernel_has_its_own_headers(tmp_path: Path) -> None:
    kernels = [bzimage(tmp_path / name, lzma.compress(archive(page=name.encode()))) for name in "ab"]
    found = [unpacked_headers(kernel) for kernel in kernels]
    assert [path and (path / "include" / "page.h").read_text() for path in found] == ["a", "b"]


@pytest.mark.parametrize(
    "payload",
    [lzma.compress(b"\x7fELF"), gzip.compress(archive(page=b""))],
    ids=["xz without headers", "headers in gzip"],
)
def test_a_kernel_without_headers_or_with_other_compression_has_none(payload: bytes, tmp_path: Path) -> None:
    assert unpacked_headers(bzimage(tmp_path / "a", payload)) is None
    assert not (tmp_path / "cache").exists()
