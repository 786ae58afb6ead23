# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that read spo-trace's exports; `make consumers` downloads those on npm."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["GO", "NODE_MODULES", "SPEEDSCOPE", "WHY_NO_GO", "WHY_NO_NODE", "WHY_NO_SPEEDSCOPE", "node"]

NODE_MODULES = Path(__file__).parents[1] / ".consumers" / "node_modules"
SPEEDSCOPE = NODE_MODULES / "speedscope" / "dist" / "release"
GO = shutil.which("go")

_NODE = shutil.which("node")

# None if the program is available.
WHY_NO_NODE = None if _NODE and (NODE_MODULES / "pprof-format").is_dir() else "needs node and make consumers"
WHY_NO_SPEEDSCOPE = None if SPEEDSCOPE.is_dir() else "needs make consumers"
WHY_NO_GO = None if GO else "needs go (Debian: golang-go)"


def node(script: str, *arguments: object) -> Any:
    """Run a JavaScript module that can import the npm packages, and return the JSON that it prints."""
    assert _NODE
    command = [_NODE, "--input-type=module", "--eval", script, "--", *map(str, arguments)]
    done = subprocess.run(command, cwd=NODE_MODULES.parent, capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)
