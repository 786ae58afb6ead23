# SPDX-License-Identifier: LGPL-2.1-or-later
import subprocess
import sys

import pytest

from spo_trace.cli import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_not_import_the_others(name: str) -> None:
    program = (
        "import sys\n"
        "from spo_trace import cli\n"
        f"sys.argv = ['spo-trace', '{name}', '--help']\n"
        "try: cli.main()\n"
        "finally: print(*sys.modules, sep='\\n')"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    imported = {other for other in COMMANDS if f"spo_trace.cli.{other.replace('-', '_')}" in said.splitlines()}
    # demo runs some of them.
    assert imported == ({"demo", "simulate", "snapshot", "report", "diff", "verify"} if name == "demo" else {name})


def test_an_unknown_command_gets_a_suggestion() -> None:
    program = "import sys; sys.argv = ['spo-trace', 'tren']; from spo_trace import cli; cli.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: no such command 'tren'. Did you mean 'trend'" in done.stderr
