# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile the C sources when the package is built or installed: the scanner's library, the collector, the BPF program.

CC, CPPFLAGS, CFLAGS and LDFLAGS are those of the environment; the flags come after our own. Without a C compiler, the
build prints a warning and leaves out the library and the collector: the slower reference parsers and the collector in
Python are used then. Without clang (CLANG in the environment, or in PATH), it leaves out the BPF program: `trace` then
needs bcc.
"""

import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FLAGS = ("-fstack-protector-strong", "-Wall", "-Wextra")
_LIBRARY = ("-std=c11", "-O3", "-fPIC", "-shared")
_COLLECTOR = ("-std=gnu11", "-O2", "-s", "-D_GNU_SOURCE", "-pthread")

# What spo-trace lacks without a file, by its suffix.
_LACKS = {
    ".so": "spo-trace will be slower",
    "": "spo-trace will be slower",
    ".o": "spo-trace trace will need bcc (Debian: apt install clang)",
}

# In order of preference. Without zlib, the collector runs gzip; only a static one runs on any machine.
_LINKED = (
    (("-static", "-DSPO_ZLIB"), ("-lz",)),
    (("-static",), ()),
    (("-DSPO_ZLIB",), ("-lz",)),
    ((), ()),
)

# -g for BTF, with which libbpf creates the maps. The paths of the build are left out.
_BPF = ("-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-fdebug-compilation-dir=.")
_CLANGS = ("clang", *(f"clang-{version}" for version in range(30, 11, -1)))


class NativeCode(BuildHookInterface):
    """Add the compiled files to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tag the wheel for this platform and any Python 3."""
        if self.target_name != "wheel":
            return
        native = Path(self.root, "spo_trace", "native")
        given = [*_words("CPPFLAGS"), *_words("CFLAGS")]
        library = [*_FLAGS, *_LIBRARY, *given, *_sources(native.glob("*.c")), *_words("LDFLAGS")]
        collected = _sources([*native.glob("collect/*.c"), native / "strings.c"])
        collector = [*_FLAGS, *_COLLECTOR, *given, *collected, *_words("LDFLAGS")]
        compiler = _words("CC") or ["cc"]
        made = {
            native / "libspo.so": self._compile(native / "libspo.so", [[*compiler, *library]]),
            native / "spo-collect": self._compile(
                native / "spo-collect", [[*compiler, *flags, *collector, *libraries] for flags, libraries in _LINKED]
            ),
            native / "swap_owner.bpf.o": self._compile(native / "swap_owner.bpf.o", [self._bpf_command()]),
        }
        for target, error in made.items():
            if error is None:
                build_data["artifacts"].append(str(target.relative_to(self.root)))
            else:
                self.app.display_warning(f"built without {target.name}: {_LACKS[target.suffix]}: {error}")
        if None in made.values():
            build_data["pure_python"] = False
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"

    def _bpf_command(self) -> list[str]:
        clang = _words("CLANG") or [next(filter(shutil.which, _CLANGS), _CLANGS[0])]
        # That of the wheel: it may be cross-compiled.
        machine = sysconfig.get_platform().rpartition("-")[2]
        # The source is in the directory from which the path in the debugging information is relative.
        return [*clang, *_BPF, f"-DTARGET_{machine}", "-c", "bpf/swap_owner.c"]

    # Try several commands. Return the error of the last one if all fail; then there is no target.
    def _compile(self, target: Path, attempts: Sequence[Sequence[str]]) -> str | None:
        made = target.with_suffix(".new")
        failed = ""
        for command in attempts:
            try:
                subprocess.run(  # noqa: S603  # the builder's CC and CLANG
                    [*command, "-o", str(made)], check=True, capture_output=True, text=True, cwd=self.root
                )
            except (OSError, subprocess.CalledProcessError) as error:
                failed = f"{error}\n{getattr(error, 'stderr', '')}"
                continue
            # A running process may have the old file mapped.
            made.replace(target)
            return None
        target.unlink(missing_ok=True)
        return failed


def _words(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


def _sources(paths: Iterable[Path]) -> list[str]:
    return sorted(map(str, paths))
