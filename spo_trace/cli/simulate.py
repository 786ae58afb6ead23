# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace simulate."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spo_trace.bundled import scenario_path, scenarios
from spo_trace.cli.guard import guarded
from spo_trace.cli.options import Force
from spo_trace.cli.output import note
from spo_trace.errors import SpoTraceError
from spo_trace.private_files import make_sibling, sibling_name, take_place

if TYPE_CHECKING:
    from spo_trace.simulator import Stage

__all__ = ["command"]


@guarded
def command(
    scenario: Annotated[
        str, typer.Argument(help=f"A TOML file, or a bundled scenario: {', '.join(scenarios())}.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The directory to make.", show_default=False)
    ],
    force: Force = False,
) -> None:
    """Write what the kernel of a modelled machine would print.

    DIR gets a directory for each stage of the scenario, laid out like the machine, that snapshot, report and diff
    read like any capture:

    \b
        spo-trace simulate rfc-after -o rfc-after
        spo-trace report rfc-after/2-swapped
    """
    from spo_trace.simulator import load_scenario, run

    machine = load_scenario(scenario_path(scenario))
    _check_output(output, force=force)
    directory = sibling_name(output)
    try:
        make_sibling(directory, output)
        stages = [_write_stage(directory, stage) for stage in run(machine)]
        take_place(directory, output)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    note(f"Wrote {output}: stages {', '.join(stages)}")


def _write_stage(directory: Path, stage: "Stage") -> str:
    for path, read in stage.files.items():
        target = directory / stage.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.writelines(read())
    return stage.name


# Only what an earlier simulate made is ever removed.
def _check_output(output: Path, *, force: bool) -> None:
    if output.is_symlink():
        raise SpoTraceError(f"{output} is a symbolic link", hint="links are not followed: name the directory itself")
    if output.exists() and not force:
        raise SpoTraceError(f"{output} exists", hint="replace it with --force")
    if output.exists() and not all((stage / "sys/kernel/debug").is_dir() for stage in output.iterdir()):
        raise SpoTraceError(f"{output} is not what simulate made", hint="choose another directory with -o")
