# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delimited records, joined to runs."""

from spo_trace.formats.runs import Records, gathered


def test_records_are_joined_to_runs_of_a_size() -> None:
    runs = list(gathered([b"abc", b"", b"de", b"f", b"ghij"], 5))
    assert [(run.text, run.ends.tolist()) for run in runs] == [(b"abcde", [3, 3, 5]), (b"fghij", [1, 5])]
    assert [list(run.split()) for run in runs] == [[b"abc", b"", b"de"], [b"f", b"ghij"]]
    assert list(gathered([])) == []
    assert list(Records.of([]).split()) == []
