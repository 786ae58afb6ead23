# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics as text: OpenMetrics 1.0 that is also valid in the older text format of Prometheus.

The textfile collector of node_exporter reads only the older format, so everything is a gauge, whose text is the same in
both. Values are integers below 2**53, or seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TextIO

from spo_trace.printable import printable
from spo_trace.reporters.names import shown_key

__all__ = ["REST", "UNKNOWN_LABEL", "Metric", "Sample", "label_of", "render_openmetrics"]

# The label of all owners that have no series of their own.
REST = "(rest)"

UNKNOWN_LABEL = shown_key(None, known=False)

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Sample(NamedTuple):
    """Hold one value of a metric, and the labels that tell it from the others."""

    labels: Mapping[str, str]
    value: float


class Metric(NamedTuple):
    """Hold a gauge; its name ends with `_` and the `unit`, if it has one. `meaning`: one line."""

    name: str
    unit: str
    meaning: str
    samples: Sequence[Sample]


def label_of(value: object, *, known: bool) -> str:
    r"""Return a key as the value of a label; a name that looks like the label of the rest is escaped.

    >>> label_of("dd", known=True), label_of(None, known=False), label_of("(rest)", known=True)
    ('dd', '?', '\\050rest)')
    """
    label = printable(shown_key(value, known=known))
    return f"\\050{label[1:]}" if label == REST else label


def render_openmetrics(metrics: Iterable[Metric], outfile: TextIO) -> None:
    """Write metrics as text that ends with `# EOF`; metrics without samples are left out."""
    for metric in metrics:
        if not metric.samples:
            continue
        outfile.write(f"# HELP {metric.name} {_escaped(metric.meaning)}\n# TYPE {metric.name} gauge\n")
        if metric.unit:
            outfile.write(f"# UNIT {metric.name} {metric.unit}\n")
        for sample in metric.samples:
            outfile.write(f"{metric.name}{_labels(sample.labels)} {sample.value}\n")
    outfile.write("# EOF\n")


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
