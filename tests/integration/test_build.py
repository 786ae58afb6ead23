# SPDX-License-Identifier: LGPL-2.1-or-later
"""The build of the package: compilers, flags, the files of the source distribution, and its metadata."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = Path("spo_trace/native")

# A compiler that notes its arguments and compiles.
RECORDER = '#!/bin/sh\nprintf "%s\\n" "$*" >> "$(dirname "$0")/log"\nexec cc "$@"\n'

CLANG = shutil.which("clang") or next(filter(shutil.which, (f"clang-{n}" for n in range(30, 11, -1))), None)

needs_clang = pytest.mark.skipif(CLANG is None, reason="needs clang")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with the C sources and what compiles them."""
    shutil.copytree(ROOT / NATIVE, tmp_path / NATIVE, ignore=shutil.ignore_patterns("*.so", "*.o", "spo-collect"))
    shutil.copytree(ROOT / "bpf", tmp_path / "bpf")
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    (tmp_path / "recorder").write_text(RECORDER)
    (tmp_path / "recorder").chmod(0o755)
    return tmp_path


def built(place: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """Run the build's hook with these variables alone, and return what it adds to the wheel."""
    environment = {"CLANG": "/nonexistent/clang"} | environment
    for name in ("CC", "CPPFLAGS", "CFLAGS", "LDFLAGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = spec_from_file_location("hatch_build", place / "hatch_build.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    data: dict[str, Any] = {"artifacts": []}
    module.NativeCode(str(place), {}, None, None, "", "wheel").initialize("standard", data)
    return data


def commands(place: Path) -> list[list[str]]:
    return [line.split() for line in (place / "log").read_text().splitlines()]


def is_in_order(words: Sequence[str], *expected: str) -> bool:
    places = [words.index(word) for word in expected]
    return places == sorted(places)


@needs_cc
def test_flags_of_the_environment_follow_our_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # WHEN a distribution builds with its flags
    compiler = f"{place}/recorder -pipe"
    flags = {"CPPFLAGS": "-D_FORTIFY_SOURCE=2", "CFLAGS": "-O1 -g", "LDFLAGS": "-Wl,-z,relro -Wl,-z,now"}
    data = built(place, monkeypatch, CC=compiler, **flags)
    # THEN both the library and the collector are built with them, and the last -O wins
    library, *collectors = commands(place)
    for words in (library, collectors[-1]):
        ours = "-O3" if words is library else "-O2"
        assert is_in_order(words, "-pipe", ours, "-D_FORTIFY_SOURCE=2", "-O1", "-g", "-Wl,-z,relro", "-Wl,-z,now")
        sources = [at for at, word in enumerate(words) if word.endswith(".c")]
        assert words.index("-g") < sources[0] and sources[-1] < words.index("-Wl,-z,relro")
    assert data["artifacts"] == [str(NATIVE / "libspo.so"), str(NATIVE / "spo-collect")]
    assert data["tag"].startswith("py3-none-linux_")


@needs_cc
def test_flags_that_do_not_compile_are_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = built(place, monkeypatch, CFLAGS="-no-such-option")
    assert data == {"artifacts": []}
    assert "built without libspo.so" in "".join(capsys.readouterr())


@needs_cc
def test_without_clang_the_warning_names_what_is_lost(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = built(place, monkeypatch)
    assert data["artifacts"] == [str(NATIVE / "libspo.so"), str(NATIVE / "spo-collect")]
    said = "".join(capsys.readouterr())
    assert "built without swap_owner.bpf.o: spo-trace trace will need bcc (Debian: apt install clang)" in said


@needs_clang
def test_clang_compiles_the_bpf_program(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = built(place, monkeypatch, CC="/nonexistent/cc", CLANG=str(CLANG))
    assert data["artifacts"] == [str(NATIVE / "swap_owner.bpf.o")]
    assert data["tag"].startswith("py3-none-linux_")
    made = (place / NATIVE / "swap_owner.bpf.o").read_bytes()
    # EM_BPF, with BTF, and without the directory of the build.
    assert made[18:20] == b"\xf7\0"
    assert b".BTF" in made and os.fsencode(place) not in made


# The numbers of registers in it are those of the wheel's machine.
def test_the_bpf_program_is_for_the_machine_of_the_wheel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = f"{place}/recorder"
    built(place, monkeypatch, CC="/nonexistent/cc", CLANG=recorder, _PYTHON_HOST_PLATFORM="linux-aarch64")
    (words,) = commands(place)
    assert "-DTARGET_aarch64" in words


@pytest.mark.skipif(shutil.which("musl-gcc") is None, reason="needs musl-gcc (Debian: musl-tools)")
def test_musl(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # WHEN it is built with musl
    data = built(place, monkeypatch, CC="musl-gcc")
    # THEN both are built, and the collector, which is static, runs here
    assert len(data["artifacts"]) == 2
    said = subprocess.run([place / NATIVE / "spo-collect", "-h"], capture_output=True, text=True, timeout=60)
    assert "spo-collect" in said.stdout + said.stderr


def test_the_source_distribution_has_what_a_build_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        metadata = archive.extractfile(next(name for name in archive.getnames() if name.endswith("PKG-INFO")))
        assert metadata
        text = metadata.read().decode()
    assert {
        "hatch_build.py",
        "README.md",
        "bpf/swap_owner.c",
        "bpf/libbpf.h",
        "contrib/systemd/spo-trace-trace.service",
    } <= names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / NATIVE).rglob("*.[ch]")} <= names
    assert "Project-URL: " in text and "\nProvides-Extra: metrics\n" in text
    assert "Description-Content-Type: text/markdown" in text


def test_readme_renders_as_on_pypi() -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    text = (ROOT / "README.md").read_text()
    page = markdown.render(text)
    assert page is not None, "it would be shown as plain text"
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert page.count("<h2") == len(re.findall(r"^## ", prose, re.MULTILINE)) > 0
    assert page.count("<table") == len(re.findall(r"^\|[-|]+\|$", prose, re.MULTILINE)) > 0


def test_python_m_spo_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spo_trace"]
    run = [
        subprocess.run([*command, word], cwd=tmp_path, capture_output=True, text=True) for word in ("--version", "x")
    ]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert (run[0].returncode, run[0].stdout.split()[0]) == (0, version)
    # It calls itself by the usual name.
    assert (run[1].returncode, run[1].stderr.splitlines()[0]) == (2, "spo-trace: error: no such command 'x'")


def test_ci_tests_every_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = {line.rpartition(" ")[2] for line in project["project"]["classifiers"] if ":: 3." in line}
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert all(f'"{version}"' in ci for version in listed)
