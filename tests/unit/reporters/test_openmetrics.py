# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of metrics, and what the parsers of prometheus_client and promtool make of it."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from spo_trace.reporters.openmetrics import Metric, Sample, label_of, render_openmetrics

PROMTOOL = shutil.which("promtool")

# Names of processes that would end a label, a line or the text, or look like another series.
HOSTILE = ['a"} 1', "back\\slash", "two\nlines", "# EOF", "?", "-", "(rest)", "", "\\n", "ü\u2028x", "{", " "]


def read_back(text: str) -> list[Any]:
    parse: Callable[[str], Iterable[Any]] = parse_openmetrics
    return list(parse(text))


def rendered(*metrics: Metric) -> str:
    text = io.StringIO()
    render_openmetrics(metrics, text)
    return text.getvalue()


def by_comm(names: list[str]) -> Metric:
    samples = [Sample({"comm": label_of(name, known=True)}, number) for number, name in enumerate(names)]
    return Metric("x_bytes", "bytes", "What \\ it is", samples)


def test_the_text_of_two_metrics() -> None:
    # GIVEN a metric with labels, one without a unit, and one without samples
    labelled = Metric(
        "x_bytes", "bytes", "Memory", [Sample({"comm": 'a"b\\c'}, 1 << 52), Sample({"comm": "(rest)"}, 0)]
    )
    plain = Metric("x_info", "", "About it", [Sample({}, 1)])
    absent = Metric("y_bytes", "bytes", "Unknown", [])
    # WHEN they are written, THEN that is
    assert rendered(labelled, plain, absent) == (
        "# HELP x_bytes Memory\n# TYPE x_bytes gauge\n# UNIT x_bytes bytes\n"
        'x_bytes{comm="a\\"b\\\\c"} 4503599627370496\nx_bytes{comm="(rest)"} 0\n'
        "# HELP x_info About it\n# TYPE x_info gauge\nx_info 1\n# EOF\n"
    )


@pytest.mark.parametrize("parse", [parse_openmetrics, parse_text], ids=["OpenMetrics", "text format"])
def test_hostile_names_stay_in_their_label(parse: Callable[[str], Iterable[Any]]) -> None:
    # GIVEN names that a process can choose
    text = rendered(by_comm(HOSTILE))
    # WHEN a parser of others reads the text
    (family,) = parse(text)
    # THEN there is a sample for each name, no two have the same label, and each is one line of printable text
    found = {sample.labels["comm"]: sample.value for sample in family.samples}
    assert list(found.values()) == list(range(len(HOSTILE)))
    assert all(label.isprintable() and label not in ("?", "-", "(rest)", "") for label in found)


@given(st.lists(st.text(max_size=15), unique=True, max_size=5))
def test_any_name_can_be_read_back(names: list[str]) -> None:
    (family,) = read_back(rendered(by_comm([*names, "last"])))
    expected = [label_of(name, known=True) for name in [*names, "last"]]
    assert [sample.labels["comm"] for sample in family.samples] == expected


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian: prometheus)")
def test_promtool_finds_no_fault() -> None:
    assert PROMTOOL
    text = rendered(by_comm(HOSTILE), Metric("y_info", "", "About it", [Sample({"method": "text"}, 1)]))
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
