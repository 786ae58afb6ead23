# SPDX-License-Identifier: LGPL-2.1-or-later
"""A simulated machine as a source: it needs no root and no kernel, and all its figures are known."""

from collections.abc import Iterator, Sequence

from spo_trace.errors import Argument, UsageError
from spo_trace.files.bundled import scenario_path
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.runs import gathered
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText
from spo_trace.simulator import Stage, load_scenario, run
from spo_trace.simulator.steps import Snapshot
from spo_trace.sources.source import PATHS, RECORD_FILES

__all__ = ["SimulatorSource", "simulated_stage", "simulated_stages"]


class SimulatorSource:
    """Read the machine of a scenario at a stage; `scenario`: its name as the user gave it."""

    kind = "simulator"

    def __init__(self, scenario: str, stage: Stage) -> None:
        self._scenario = scenario
        self._stage = stage

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {"scenario": self._scenario, "stage": self._stage.name}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        # The simulation does not advance while it is read: a second read of a file returns the same.
        read = self._stage.files.get(PATHS[name.removesuffix("-after")])
        if read is None:
            return None
        if name in RECORD_FILES:
            return KernelText(name, DelimitedRecords(gathered(read())))
        return KernelText(name, Chunks(read()))

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        return Why(Missing.NO_FILE, f"the scenario's kernel has no {name}")


def simulated_stage(scenarios: Sequence[str], stage: str | None = None) -> SimulatorSource:
    """Run a scenario (a TOML file, or the name of a bundled one) up to `stage`, by default the last."""
    scenario = load_scenario(scenario_path(_only(scenarios)))
    names = [step.name for step in scenario.steps if isinstance(step, Snapshot)]
    wanted = names[-1] if stage is None else stage
    if wanted not in names:
        raise UsageError(f"the scenario has no stage {wanted!r}", hint=f"its stages: {', '.join(names)}")
    return next(SimulatorSource(scenarios[0], reached) for reached in run(scenario) if reached.name == wanted)


def simulated_stages(scenarios: Sequence[str]) -> Iterator[SimulatorSource]:
    """Yield the machine at each stage of a scenario; read each before the next is requested."""
    for stage in run(load_scenario(scenario_path(_only(scenarios)))):
        yield SimulatorSource(scenarios[0], stage)


def _only(scenarios: Sequence[str]) -> str:
    if len(scenarios) != 1:
        raise UsageError("the simulator runs one scenario", hint=("give ", Argument("from_"), " once"))
    return scenarios[0]
