# SPDX-License-Identifier: LGPL-2.1-or-later
"""The findings in each capture are those that its scenario must have, and every number is the API's."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import spo_trace as spo
from spo_trace.findings.codes import Code
from spo_trace.findings.finding import Amount, Explanation, Finding, Side
from spo_trace.findings.rules import RULES
from spo_trace.findings.thresholds import MOST_FINDINGS
from tests.support import CARRIED
from tests.unit.findings.expected import ONE, ONE_AGGREGATE, SIMULATED, SIMULATED_TWO, TWO, TWO_AGGREGATES

SCRATCH = TemporaryDirectory()
FIXTURES = CARRIED.parent


@cache
def snapshot(name: str) -> spo.Snapshot:
    return spo.snapshot(Path(SCRATCH.name) / f"{name.replace('/', '_')}.spo", from_=FIXTURES / name)


@cache
def simulated(scenario: str, stage: str) -> spo.Snapshot:
    target = Path(SCRATCH.name) / f"{scenario}_{stage}.spo"
    return spo.snapshot(target, from_=scenario, backend="simulator", stage=stage)


def check(found: Explanation, expected: set[Code], *snaps: spo.Snapshot) -> None:
    assert found.codes == expected
    assert len(found.findings) <= MOST_FINDINGS
    assert [one.size for one in found.all] == sorted((one.size for one in found.all), reverse=True)
    for finding in found.all:
        assert "{" not in finding.text
        assert finding.evidence.command(finding.inputs) == finding.command
        for amount in finding.numbers.values():
            assert amount.value == answer(amount, *snaps), (finding.code, amount)
        check_evidence(finding, *snaps)


def answer(amount: Amount, *snaps: spo.Snapshot) -> int:
    """Return the amount that the API gives for the query of a number, or the value of /proc that it names."""
    query = amount.query
    if query is None:
        return in_proc(amount.column, *snaps)
    if query.side is Side.DIFF:
        table = spo.diff(snaps[0], snaps[1], query.by, where=query.where)
    else:
        table = spo.attribute(snaps[-1], query.by, where=query.where)
    for key, value in zip(query.by, amount.owner, strict=True):
        table = table[(table[key] == value).fillna(False)]
    assert len(table) == 1
    return abs(int(table[amount.column].iloc[0]))


def in_proc(column: str, *snaps: spo.Snapshot) -> int:
    machine = snaps[-1].meta.machine
    match column:
        case "swap_used":
            return machine.swap_used
        case "swap_used_a" | "swap_used_b":
            return snaps[column == "swap_used_b"].meta.machine.swap_used
        case _:
            return machine.meminfo[column]


def check_evidence(finding: Finding, *snaps: spo.Snapshot) -> None:
    """Check that the command of a finding is a question that has an answer."""
    query = finding.evidence
    if query.side is Side.REPORT:
        assert len(spo.attribute(snaps[-1], query.by, where=query.where))
    elif query.side is Side.DIFF:
        assert len(spo.diff(snaps[0], snaps[1], query.by or "comm", where=query.where))


@pytest.mark.parametrize("name", ONE)
def test_a_capture_has_the_findings_of_its_scenario(name: str) -> None:
    snap = snapshot(name)
    check(spo.explain(snap), ONE[name], snap)


@pytest.mark.parametrize("stage", ONE_AGGREGATE)
def test_an_aggregate_has_the_findings_that_need_no_processes(stage: str) -> None:
    snap = snapshot(f"captures/{stage}/show_stacks.xz")
    found = spo.explain(snap)
    check(found, ONE_AGGREGATE[stage], snap)
    assert Code.TMPFS not in {code for one in found.not_checked for code in one.codes}


@pytest.mark.parametrize(("first", "second"), TWO)
def test_two_captures_have_the_findings_of_what_happened(first: str, second: str) -> None:
    snaps = snapshot(first), snapshot(second)
    check(spo.explain(snaps[0], snaps[1]), TWO[first, second], *snaps)


@pytest.mark.parametrize(("first", "second"), TWO_AGGREGATES)
def test_two_aggregates_have_the_findings_of_what_happened(first: str, second: str) -> None:
    snaps = tuple(snapshot(f"captures/{stage}/show_stacks.xz") for stage in (first, second))
    check(spo.explain(snaps[0], snaps[1]), TWO_AGGREGATES[first, second], *snaps)


@pytest.mark.parametrize(("scenario", "stage"), SIMULATED)
def test_a_simulated_machine_has_the_findings_of_its_scenario(scenario: str, stage: str) -> None:
    snap = simulated(scenario, stage)
    check(spo.explain(snap), SIMULATED[scenario, stage], snap)


@pytest.mark.parametrize(("scenario", "first", "second"), SIMULATED_TWO)
def test_two_stages_have_the_findings_of_what_happened(scenario: str, first: str, second: str) -> None:
    snaps = simulated(scenario, first), simulated(scenario, second)
    check(spo.explain(snaps[0], snaps[1]), SIMULATED_TWO[scenario, first, second], *snaps)


def test_every_capture_is_in_the_table() -> None:
    found = {str(path.parent.relative_to(FIXTURES)) for path in FIXTURES.glob("captures*/**/page_owner.*")}
    assert found == set(ONE)


def test_the_sentences_about_the_experiment() -> None:
    found = spo.explain(snapshot("captures/7.2-spo/2-swapped"))
    assert [finding.text for finding in found.findings] == [
        "Memory is nearly exhausted: MemAvailable 1.98 MiB of 459 MiB.",
        "384 MiB of memory is tmpfs or shared memory that DD allocated. "
        "Such pages cannot be dropped, only swapped or deleted.",
        "254 MiB in swap was allocated by dd as tmpfs/shmem pages: all of the 252 MiB that were used when /proc/swaps "
        "was read.",
    ]


def test_tmpfs_without_names_of_processes() -> None:
    # The counts of this kernel include the 256 MiB that are in swap.
    found = spo.explain(snapshot("captures/7.2-spo/2-swapped/show_stacks.xz"))
    assert [finding.text for finding in found.findings] == [
        "640 MiB is tmpfs or shared memory of unknown owners. Such pages cannot be dropped, only swapped or deleted."
    ]


def test_tmpfs_that_was_swapped_in_is_not_said_to_be_the_readers() -> None:
    found = spo.explain(snapshot("captures/7.2-stock/3-back"))
    assert [finding.text for finding in found.findings] == [
        "250 MiB of memory is tmpfs or shared memory that cat swapped in or allocated. "
        "Such pages cannot be dropped, only swapped or deleted.",
        "250 MiB of memory was swapped in by cat: it counts as cat's, whoever allocated it first.",
    ]


def test_every_code_has_a_rule() -> None:
    assert set(RULES) == set(Code)
