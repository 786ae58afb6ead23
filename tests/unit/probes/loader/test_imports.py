# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loader runs under the system's Python, which has bcc and the standard library."""

import subprocess
from pathlib import Path

import pytest

import spo_trace

SYSTEM_PYTHON = Path("/usr/bin/python3")
PACKAGE = Path(spo_trace.__file__).parent
MODULES = sorted(f"spo_trace.probes.loader.{path.stem}" for path in (PACKAGE / "probes/loader").glob("[a-z]*.py"))

PROGRAM = """
import sys
class OnlyTheStandardLibrary:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "bcc", "spo_trace"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, OnlyTheStandardLibrary())
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2])
print(*sorted(name for name in sys.modules if name.startswith("spo_trace.")), sep="\\n")
"""

pytestmark = pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="there is no /usr/bin/python3")


@pytest.mark.parametrize("module", MODULES)
def test_each_module_imports_only_the_standard_library(module: str) -> None:
    command = [str(SYSTEM_PYTHON), "-I", "-c", PROGRAM, str(PACKAGE.parent), module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    allowed = (
        "spo_trace.errors",
        "spo_trace.limits",
        "spo_trace.printable",
        "spo_trace.version",
        "spo_trace.probes.bpf_maps",
        "spo_trace.memory",
    )
    others = {name for name in done.stdout.split() if not name.startswith((*allowed, "spo_trace.probes.loader"))}
    # The package's own __init__ imports errors, which imports printable, and version.
    assert others == {"spo_trace.probes"}


def test_other_packages_are_blocked() -> None:
    command = [str(SYSTEM_PYTHON), "-I", "-c", PROGRAM, str(PACKAGE.parent), "numpy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: numpy" in done.stderr
