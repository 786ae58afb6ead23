# SPDX-License-Identifier: LGPL-2.1-or-later
"""A modelled machine as a source: no root, no kernel, and every figure known beforehand."""

from collections.abc import Sequence

from spo_trace.bundled import scenario_path
from spo_trace.errors import UsageError
from spo_trace.formats.record import KernelText, gathered
from spo_trace.simulator import Scenario, Stage, load_scenario, run
from spo_trace.simulator.steps import Snapshot
from spo_trace.sources.source import PATHS, RECORD_FILES

__all__ = ["SimulatorSource", "stage_names"]


class SimulatorSource:
    """Run a scenario (a TOML file, or the name of a bundled one) up to a stage, and read the machine there."""

    kind = "simulator"

    def __init__(self, scenarios: Sequence[str], stage: str | None = None) -> None:
        if len(scenarios) != 1:
            raise UsageError("the simulator runs one scenario", hint="give --from once")
        scenario = load_scenario(scenario_path(scenarios[0]))
        self._scenario = scenarios[0]
        self._stage = _run_to(scenario, stage)

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json keeps of how this source was asked for."""
        return {"scenario": self._scenario, "stage": self._stage.name}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        # Nothing moves while the model is read: the second reading of a file gives what the first gave.
        read = self._stage.files.get(PATHS[name.removesuffix("-after")])
        if read is None:
            return None
        if name in RECORD_FILES:
            return KernelText(name, records=gathered(read()))
        return KernelText(name, read())

    def why_missing(self, name: str) -> str:
        """Return why `open` gave None."""
        return f"the scenario's kernel has no {name}"


def stage_names(scenario: Scenario) -> list[str]:
    """Return the names of a scenario's snapshots, in order."""
    return [step.name for step in scenario.steps if isinstance(step, Snapshot)]


def _run_to(scenario: Scenario, stage: str | None) -> Stage:
    names = stage_names(scenario)
    wanted = names[-1] if stage is None else stage
    if wanted not in names:
        raise UsageError(f"the scenario has no stage {wanted!r}", hint=f"its stages: {', '.join(names)}")
    return next(reached for reached in run(scenario) if reached.name == wanted)
