# SPDX-License-Identifier: LGPL-2.1-or-later
"""The experiment of the RFC's cover letter on a simulated machine: `spo-trace report` gives its figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SPO_TRACE = str(Path(sys.executable).with_name("spo-trace"))

MIB = 1 << 20

# (scenario, stage, comm or None for all, memory or swap) → MiB in the cover letter
LETTER = {
    ("rfc-before", "0-initial", None, "mem"): 91.2578,
    ("rfc-before", "1-dd256", "dd", "mem"): 256.559,
    ("rfc-before", "1-dd256", "cat", "mem"): 0.464844,
    ("rfc-before", "2-swapped", None, "mem"): 450.445,
    ("rfc-before", "2-swapped", None, "swap"): 0,
    ("rfc-before", "3-back", "dd", "mem"): 1.66016,
    ("rfc-before", "3-back", "cat", "mem"): 258.309,
    ("rfc-after", "0-initial", None, "mem"): 97,
    ("rfc-after", "0-initial", None, "swap"): 0,
    ("rfc-after", "1-dd256", "dd", "mem"): 256.504,
    ("rfc-after", "1-dd256", "cat", "mem"): 0.175781,
    ("rfc-after", "2-swapped", None, "mem"): 449.258,
    ("rfc-after", "2-swapped", None, "swap"): 278.793,
    ("rfc-after", "3-back", "dd", "mem"): 256.445,
    ("rfc-after", "3-back", "cat", "mem"): 7.80859,
}


def run(*arguments: str) -> str:
    return subprocess.run([SPO_TRACE, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", params=["rfc-before", "rfc-after"])
def simulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    directory = tmp_path_factory.mktemp("simulated") / str(request.param)
    run("simulate", request.param, "-o", str(directory))
    return request.param, directory


@pytest.mark.xdist_group("rfc-simulated")
def test_report_gives_the_cover_letters_figures(simulated: tuple[str, Path]) -> None:
    # GIVEN the output of the simulated kernel at each stage
    scenario, directory = simulated
    stages = {stage for name, stage, _, _ in LETTER if name == scenario}
    # WHEN each stage is attributed by comm
    tables = {
        stage: json.loads(run("report", str(directory / stage), "--top", "0", "--format", "json")) for stage in stages
    }
    # THEN every figure is within 3 % of the one in the letter
    for (name, stage, comm, kind), expected in LETTER.items():
        if name == scenario:
            rows = [row for row in tables[stage] if comm in (None, row["comm"])]
            # For swap with unknown owners the letter has 0; the report leaves it out.
            found = sum(row[f"{kind}_bytes"] or 0 for row in rows) / MIB
            assert found == pytest.approx(expected, rel=0.03), (stage, comm, kind)
