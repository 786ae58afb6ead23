# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile spo_trace/native/*.c into one shared library when the package is built or installed.

Without a C compiler, the build prints a warning and leaves out the library; the slower reference parsers are used then.
"""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fstack-protector-strong", "-Wall", "-Wextra")


class NativeLibrary(BuildHookInterface):
    """Add the compiled library to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library and tag the wheel for this platform and any Python 3."""
        target = Path(self.root, "spo_trace", "native", "libspo.so")
        if self.target_name != "wheel" or not self._compile(target):
            return
        build_data["artifacts"].append(str(target.relative_to(self.root)))
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"

    def _compile(self, target: Path) -> bool:
        sources = sorted(map(str, target.parent.glob("*.c")))
        compiler = shlex.split(os.environ.get("CC", "cc"))
        made = target.with_suffix(".new")
        try:
            subprocess.run([*compiler, *_FLAGS, "-o", str(made), *sources], check=True)  # noqa: S603  # the builder's CC
        except (OSError, subprocess.CalledProcessError) as error:
            target.unlink(missing_ok=True)
            self.app.display_warning(f"built without the compiled scanner, parsing will be much slower: {error}")
            return False
        # A running process may have the old library mapped.
        made.replace(target)
        return True
