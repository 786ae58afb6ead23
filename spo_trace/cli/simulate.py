# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace simulate."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Force, Mode, Owner
from spo_trace.cli.output import access_of, note
from spo_trace.files.bundled import scenario_path, scenarios
from spo_trace.files.descriptors import names
from spo_trace.files.output_directory import Kind, OutputDirectory

if TYPE_CHECKING:
    from spo_trace.simulator import Stage

__all__ = ["command"]


@guarded
def command(
    scenario: Annotated[
        str, typer.Argument(help=f"A TOML file, or a bundled scenario: {', '.join(scenarios())}.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The directory to create.", show_default=False)
    ],
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
    with OutputDirectory(output, _STAGES, access=access_of(owner, mode, output), force=force) as directory:
        stages = [_write_stage(directory, stage) for stage in run(machine)]
        directory.commit()
    note(f"Wrote {output}: stages {', '.join(stages)}")


def _write_stage(directory: OutputDirectory, stage: "Stage") -> str:
    for path, read in stage.files.items():
        with directory.create(f"{stage.name}/{path}") as file:
            file.writelines(read())
    return stage.name


def _is_stage(name: str, directory: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(f"{name}/sys/kernel/debug", dir_fd=directory).st_mode)
    except OSError:
        return False


# --force removes only the output of an earlier simulate.
_STAGES = Kind(
    "output of simulate",
    lambda directory: all(_is_stage(name, directory) for name in names(directory)),
)
