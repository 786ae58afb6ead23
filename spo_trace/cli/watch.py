# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace watch."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import (
    Backend,
    By,
    Force,
    From,
    Jobs,
    Mode,
    Owner,
    PageSize,
    StacksTimeout,
    Where,
    condition_of,
    keys_of,
    option,
)
from spo_trace.cli.output import access_of, note
from spo_trace.cli.watch_controls import SORTS
from spo_trace.cli.watch_display import Display
from spo_trace.cli.watch_lines import Csv, JsonLines, Lines
from spo_trace.cli.watch_terminal import Terminal
from spo_trace.errors import UsageError
from spo_trace.reporters.format import counted

if TYPE_CHECKING:
    from spo_trace.sampling.samples import Sample

__all__ = ["command"]

_DISPLAYS = {"csv": Csv, "json": JsonLines}

Interval = Annotated[
    float | None,
    option(
        "--interval",
        "-n",
        shows="SECONDS",
        least=0.1,
        help="Time between samples. Default: 5, or 0 with --from.",
    ),
]
Count = Annotated[
    int | None,
    option("--count", "-c", shows="N", least=1, help="Stop after N samples. Default: run until Ctrl-C."),
]
Owners = Annotated[
    int | None,
    option(
        "--top",
        shows="N",
        least=0,
        help="Number of owners to show, 0 for all. Default: as many as fit; all in plain lines, csv and json.",
    ),
]
Sort = Annotated[
    str,
    option(
        "--sort",
        shows="NAME",
        help="growth (since the start), interval, total, mem or swap.",
        default=True,
        values=SORTS,
    ),
]
Method = Annotated[
    str,
    option(
        "--method",
        shows="NAME",
        help="counts: the kernel's page count per stack (page_owner_stacks, Linux 6.9+): cheap, but only for "
        "--by stack, symbols, caller, callsite, module, category; memory and swap are one number (memory alone if the "
        "kernel does not keep the owners of swap); since Linux 6.17.6, most slab is not counted. memory or text "
        "(or full): every record, as for snapshot. auto: counts if they answer the question and have all stacks, else "
        "every record.",
        default=True,
        values=("auto", "counts", "memory", "text"),
    ),
]
WatchFormat = Annotated[
    str,
    option(
        "--format",
        "-f",
        shows="NAME",
        help="view (live on a terminal, plain lines elsewhere), csv, or json (one object per line).",
        default=True,
        values=("view", *_DISPLAYS),
    ),
]
Record = Annotated[
    Path | None,
    option("--record", shows="DIR", help="Store each sample in DIR as a small Parquet file, for spo-trace trend."),
]


@guarded
def command(
    by: By = None,
    interval: Interval = None,
    count: Count = None,
    top: Owners = None,
    sort: Sort = "growth",
    where: Where = None,
    method: Method = "auto",
    format: WatchFormat = "view",
    jobs: Jobs = None,
    stacks_timeout: StacksTimeout = 10.0,
    page_size: PageSize = None,
    record: Record = None,
    owner: Owner = None,
    mode: Mode = None,
    force: Force = False,
    from_: From = None,
    backend: Backend = None,
) -> None:
    """Watch which owners of memory and swap grow.

    Shows a live view on a terminal, and plain lines elsewhere. Ctrl-C stops it with exit code 0; recorded samples are
    kept. If the reader of its output exits (e.g. head), watch exits with 1. With --from, each capture is one sample:
    give several, or a directory of captures.

    Keys of the live view: q quits, p pauses, s changes the order, arrows select an owner, Enter shows its stacks and
    Esc goes back, f shows only owners with a text in their names, and b groups by other keys. Growth by other keys also
    counts from the first sample. What is recorded does not change.

    \b
        sudo spo-trace watch
        sudo spo-trace watch --by stack -n 60 --record day    # then: spo-trace trend day
        spo-trace watch --from leak --backend simulator -n 1  # without root
    """
    if format not in ("view", *_DISPLAYS):
        raise UsageError(f"there is no format {format!r}", hint=f"choose one of view, {', '.join(_DISPLAYS)}")
    from spo_trace.analysis.growth import ORDERS
    from spo_trace.analysis.question import Question
    from spo_trace.api.series import watch_question
    from spo_trace.sampling.usual_key import with_key_of_samples

    question = Question.of(keys_of(by), condition_of(where), sort=sort, orders=ORDERS, top=top)
    question = with_key_of_samples(question, backend, from_ or [])
    display = _DISPLAYS.get(format, Terminal if sys.stdout.isatty() else Lines)(question)
    samples = watch_question(
        question,
        method=method,
        jobs=jobs,
        stacks_timeout=stacks_timeout,
        page_size=page_size,
        interval=interval,
        count=count,
        from_=from_,
        backend=backend,
        record=record,
        force=force,
        owner=owner,
        mode=access_of(owner, mode, record).mode,
        progress=display.progress(),
        keep=display.asks,
        wait=display.wait,
    )
    _show(display, samples)
    if record:
        note(f"Wrote {record}: {counted(display.taken, 'sample')}; next: spo-trace trend {record}")


def _show(display: Display, samples: "Iterator[Sample]") -> None:
    try:
        with display:
            for sample in samples:
                display.show(sample)
    except KeyboardInterrupt:
        # Ctrl-C is the normal end, once there is a sample.
        if not display.taken:
            raise
    display.leave()
