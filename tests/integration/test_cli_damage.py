# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot that spo-trace cannot have written is one clear error for every command, never a wrong number."""

import shutil
from pathlib import Path

import pytest

from tests.damage import DAMAGES, small_real_snapshot
from tests.support import in_process

COMMANDS = {
    "report": ["report", "x.spo"],
    "verify": ["verify", "x.spo"],
    "diff": ["diff", "real.spo", "x.spo"],
    "export": ["export", "x.spo", "-f", "csv"],
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a snapshot, real.spo."""
    return small_real_snapshot(tmp_path_factory.mktemp("damage")).parent


def test_the_snapshot_is_read_by_all_commands(real: Path) -> None:
    shutil.copytree(real / "real.spo", real / "x.spo")
    try:
        codes = {name: in_process(*command, cwd=real).returncode for name, command in COMMANDS.items()}
    finally:
        shutil.rmtree(real / "x.spo")
    # The snapshot has a part of the machine's records, so that verify finds a difference.
    assert codes == {"report": 0, "verify": 3, "diff": 0, "export": 0}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_error_of_each_command(real: Path, name: str) -> None:
    # GIVEN a damaged copy
    shutil.rmtree(real / "x.spo", ignore_errors=True)
    (real / "x.spo.original").unlink(missing_ok=True)
    shutil.copytree(real / "real.spo", real / "x.spo")
    DAMAGES[name](real / "x.spo")
    for command, arguments in COMMANDS.items():
        # WHEN a command reads it, THEN it prints one error and no numbers
        run = in_process(*arguments, cwd=real)
        errors = [line for line in run.stderr.decode().splitlines() if line.startswith("spo-trace: error: ")]
        assert (command, run.returncode) == (command, 1)
        assert not run.stdout or command == "export", "an export is written while its tables are read"
        assert len(errors) == 1 and errors[0].startswith("spo-trace: error: x.spo is damaged: "), (command, errors)
