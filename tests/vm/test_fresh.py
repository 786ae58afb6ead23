# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's commands on fresh machines of Debian 12 and 13, on which spo-trace was installed by `sudo make install`."""

import re
from pathlib import Path

import pytest

from tests.vm import guest, kernels, userland
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

README = (Path(__file__).parents[2] / "README.md").read_text()
JOB = Path(__file__).parent / "jobs" / "fresh.sh"
# userland/fresh.sh has run the one before these.
INSTALL = "sudo make install"
COMMANDS = (
    "spo-trace demo",
    "sudo spo-trace doctor",
    "sudo spo-trace snapshot -o now.spo",
    "spo-trace report now.spo",
)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_commands_of_readme_work_on_a_fresh_machine(tmp_path: Path, suite: str) -> None:
    # GIVEN the commands, literally as README has them
    for command in (INSTALL, *COMMANDS):
        assert re.search(rf"^    {command}( +#.*)?$|`{command}`", README, re.MULTILINE), command
    try:
        kernel, tree = kernels.find("7.2-spo"), userland.find_fresh(suite)
    except (kernels.KernelMissing, userland.UserlandMissing) as missing:
        pytest.skip(str(missing))
    machine = Machine(kernel, "page_owner=on,swap", memory_mib=800)
    # WHEN a user runs them
    commands = {"COMMANDS": "\n".join(COMMANDS)}
    log = guest.run(machine, JOB.read_text(), tmp_path, environment=commands, userland=tree).log
    # THEN each of them works
    found = re.findall(r"^== (.*?)\n(.*?)^exit (\d+)$", log, re.MULTILINE | re.DOTALL)
    assert [(command, int(status)) for command, _, status in found] == [(command, 0) for command in COMMANDS], log
    said = {command: text for command, text, _ in found}
    assert "Balanced" in said["spo-trace demo"]
    assert "Ready: sudo spo-trace snapshot" in said["sudo spo-trace doctor"]
    assert re.search(r"^Wrote now.spo: [\d,]{5,} page_owner records", said["sudo spo-trace snapshot -o now.spo"])
    assert re.search(r"^Total: .* in memory", said["spo-trace report now.spo"], re.MULTILINE)
    # AND the snapshot belongs to the user
    assert log.splitlines()[-2:] == ["alice 700 /home/alice/now.spo", "alice 600 /home/alice/now.spo/pages.parquet"]
