# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace simulate."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Force, Mode, Owner, Positional, option
from spo_trace.cli.output import access_of, note
from spo_trace.files.bundled import scenario_path, scenarios
from spo_trace.files.kind import Kind
from spo_trace.files.manifest import Manifest
from spo_trace.files.output_directory import OutputDirectory

if TYPE_CHECKING:
    from spo_trace.simulator import Stage

__all__ = ["command"]


@guarded
def command(
    scenario: Annotated[str, Positional("SCENARIO", f"A TOML file, or a bundled scenario: {', '.join(scenarios())}.")],
    output: Annotated[Path, option("-o", "--output", shows="DIR", help="The directory to create.")],
    owner: Owner = None,
    mode: Mode = None,
    force: Force = False,
) -> None:
    """Write a capture of a simulated machine.

    Creates one directory in DIR for each stage of the scenario, with the files of debugfs and /proc that a real kernel
    would print. snapshot, report and diff read such a directory like any capture:

    \b
        spo-trace simulate rfc-after -o rfc-after
        spo-trace report rfc-after/2-swapped
    """
    from spo_trace.simulator import load_scenario, run

    machine = load_scenario(scenario_path(scenario))
    hashes: list[tuple[str, str]] = []
    with OutputDirectory(output, _STAGES, access=access_of(owner, mode, output), force=force) as directory:
        stages = [_write_stage(directory, stage, hashes) for stage in run(machine)]
        with directory.create(_LIST) as file:
            file.write(_MANIFEST.content(hashes))
        directory.commit()
    note(f"Wrote {output}: stages {', '.join(stages)}")


def _write_stage(directory: OutputDirectory, stage: "Stage", hashes: list[tuple[str, str]]) -> str:
    for path, read in stage.files.items():
        digest = hashlib.sha256()
        with directory.create(f"{stage.name}/{path}") as file:
            for chunk in read():
                file.write(chunk)
                digest.update(chunk)
        hashes.append((f"{stage.name}/{path}", digest.hexdigest()))
    return stage.name


# --force removes only files with the content that an earlier simulate wrote: captures of real machines, and captures
# that were edited, are kept.
_LIST = "simulated.sha256"
_MANIFEST = Manifest(_LIST, "Written by spo-trace simulate; simulate --force replaces exactly these files")
_STAGES = Kind("output of simulate", _MANIFEST.files)
