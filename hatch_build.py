# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile spo_trace/native/*.c into one shared library, as part of building or installing the package.

Without a C compiler the package is built without it, and says so: the reference parsers then do all the work.
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
    """Add the library to what is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; for this platform alone, but for any Python."""
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
            self.app.display_warning(f"built without the compiled scanner, large texts will take long: {error}")
            return False
        # A running process may have the old one mapped.
        made.replace(target)
        return True
