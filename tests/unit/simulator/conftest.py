# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios are replayed once per test run, and all files of all stages are written to disk like a capture."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.simulator import load_scenario, run

SCENARIOS = Path(__file__).parents[3] / "fixtures" / "scenarios"

Play = Callable[[str], Path]


def write_stages(scenario: Path, out: Path) -> Path:
    for stage in run(load_scenario(scenario)):
        for name, read in stage.files.items():
            path = out / stage.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.writelines(read())
    return out


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Return a function from a scenario's name to the directory of its stages."""
    done: dict[str, Path] = {}

    def played(name: str) -> Path:
        if name not in done:
            done[name] = write_stages(SCENARIOS / f"{name}.toml", tmp_path_factory.mktemp(name))
        return done[name]

    return played


@pytest.fixture
def scenarios() -> Path:
    return SCENARIOS
