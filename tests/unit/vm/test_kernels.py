# SPDX-License-Identifier: LGPL-2.1-or-later
from pathlib import Path

import pytest

from tests.vm import kernels


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SPO_TRACE_KERNELS", raising=False)
    return tmp_path / "cache" / "spo-trace" / "kernels"


def put(directory: Path, name: str = "7.2-spo") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"bzImage-{name}"
    path.touch()
    return path


def test_the_given_directory_takes_precedence_over_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the kernel in both
    in_cache, told = put(cache), put(tmp_path / "told")

    # THEN the cache is used only if no directory is given
    assert kernels.find("7.2-spo") == in_cache
    monkeypatch.setenv("SPO_TRACE_KERNELS", str(told.parent))
    assert kernels.find("7.2-spo") == told


def test_a_kernel_missing_in_the_given_directory_comes_from_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache, told = put(cache), put(tmp_path / "told", "6.1-stock")
    monkeypatch.setenv("SPO_TRACE_KERNELS", str(told.parent))

    assert kernels.find("7.2-spo") == in_cache


def test_the_message_on_a_missing_kernel_lists_the_searched_directories(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPO_TRACE_KERNELS", "/nowhere")

    with pytest.raises(kernels.KernelMissing) as caught:
        kernels.find("7.2-spo")

    assert str(caught.value) == (
        f"no bzImage-7.2-spo in /nowhere, {cache}: "
        "set SPO_TRACE_KERNELS, or build it: VERSION=7.2 tests/vm/kernel/build.sh spo"
    )


def test_kernels_of_arm64_have_another_name_and_hint(cache: Path) -> None:
    with pytest.raises(kernels.KernelMissing) as caught:
        kernels.find_arm64("7.2-arm64-4k")
    assert str(caught.value) == (
        f"no Image-7.2-arm64-4k.gz in {cache}: set SPO_TRACE_KERNELS, or build it: tests/vm/arm64/README.md"
    )

    cache.mkdir(parents=True)
    (cache / "Image-7.2-arm64-4k.gz").touch()
    assert kernels.find_arm64("7.2-arm64-4k") == cache / "Image-7.2-arm64-4k.gz"
