# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace trace."""

from select import select
from time import monotonic, strftime
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Positional, flag, option
from spo_trace.cli.output import check_stdout, note, warn
from spo_trace.errors import UsageError
from spo_trace.printable import printable
from spo_trace.probes.ways import LOADERS

if TYPE_CHECKING:
    from spo_trace.probes.capacity import Capacity
    from spo_trace.probes.events import EventOwner, Rates
    from spo_trace.probes.probes import Probes
    from spo_trace.probes.server import TraceServer

__all__ = ["command"]

_BY = ("comm", "stack")
_TOP = 10


Interval = Annotated[
    float | None,
    Positional("INTERVAL", "Print events every INTERVAL seconds.", least=0.1),
]
Count = Annotated[
    int | None,
    Positional("COUNT", "Stop after COUNT intervals.", least=1),
]
EventKey = Annotated[
    str | None,
    option("--by", shows="KEY", help="Group events by comm or stack. Default: comm."),
]
Rows = Annotated[
    int | None,
    option("--top", shows="N", least=0, help="Rows per interval; 0 for all. Default: 10."),
]
MaxEntries = Annotated[
    int | None,
    option(
        "--max-entries",
        shows="N",
        least=1,
        help="Track at most N swap entries, 120 bytes each. Default: all of swap, in at most 1/32 of memory.",
    ),
]
Loader = Annotated[
    str,
    option(
        "--loader",
        shows="NAME",
        help="What loads the probes: libbpf (compiled when spo-trace was built), bcc (compiles them now) or auto "
        "(libbpf, else bcc).",
        default=True,
        values=LOADERS,
    ),
]
Ebpf = Annotated[bool, flag("--ebpf", help="Print the BPF program and exit.")]


@guarded
def command(
    interval: Interval = None,
    count: Count = None,
    by: EventKey = None,
    top: Rows = None,
    max_entries: MaxEntries = None,
    loader: Loader = "auto",
    ebpf: Ebpf = False,
) -> None:
    """Track the owners of swapped pages on an unpatched kernel.

    Attaches BPF probes to the kernel's swap functions, and removes them when it exits. Needs root, and libbpf or bcc.
    While it runs, `spo-trace snapshot` includes the owners of swap, and pages that are swapped in keep their first
    owner. With INTERVAL, prints the pages per second that are swapped out, swapped in and freed, by process or stack.

    \b
        sudo spo-trace trace &
        sudo spo-trace snapshot --swap bpf -o now.spo
        sudo spo-trace trace 1 10 --by stack
    """
    if ebpf:
        check_stdout()
        from spo_trace.files.bundled import bpf_program

        print(bpf_program().read_text(), end="")
        return
    if interval is None and (by is not None or top is not None):
        raise UsageError("--by and --top need INTERVAL", hint="for example: spo-trace trace 1 --by stack")
    if by is not None and by not in _BY:
        raise UsageError(f"can't count events by {by!r}", hint=f"choose {' or '.join(_BY)}")
    if loader not in LOADERS:
        raise UsageError(f"there is no loader {loader!r}", hint=f"choose one of {', '.join(LOADERS)}")
    from spo_trace.probes.session import attached, map_capacity

    size = map_capacity(max_entries)
    _warn_of_size(size)
    note("Loading the probes; if bcc compiles them, this takes half a minute …")
    with attached(size, events=interval is not None, show=_show_loader, loader=loader) as (probes, server):
        _note_attached(probes)
        try:
            _run(probes, server, interval, count, by_stack=by == "stack", top=_TOP if top is None else top)
        except KeyboardInterrupt:
            # Ctrl-C is the normal end.
            note("")
        finally:
            _note_counters(probes)


# What bcc or libbpf printed before it failed.
def _show_loader(line: str) -> None:
    note(f"spo-trace: {line}")


def _warn_of_size(size: "Capacity") -> None:
    if size.entries < size.swap_pages:
        warn(f"can track {size.entries:,} of {size.swap_pages:,} pages of swap; pages beyond that are counted as lost")
        note("  hint: raise --max-entries")


def _note_attached(probes: "Probes") -> None:
    from os import sysconf

    from spo_trace.reporters.format import format_size

    facts = probes.facts
    how = f"{'fentry' if facts['fentry'] else 'kprobes'}, loaded by {facts['loader']}"
    note(f"Attached to {', '.join(facts['hooks'].values())} ({how})")
    if facts["owners"]:
        note(f"Checked: the owners of {facts['checked_pages']} pages read from kernel memory match page_owner")
        unknown = facts["used_at_attach"] * sysconf("SC_PAGE_SIZE")
        note(f"Swapped out before the probes were attached, owners unknown: {format_size(unknown)}")
        note("Tracking the owners of swap. To read them: sudo spo-trace snapshot --swap bpf. Ctrl-C stops.")
    else:
        warn("page_owner is off: only events are counted, with the stack of the swap-out; owners of swap are unknown")
        note("comm is a process that had the page mapped or, if marked with ?, the task that swapped it")


def _run(
    probes: "Probes", server: "TraceServer", interval: float | None, count: int | None, *, by_stack: bool, top: int
) -> None:
    if interval is None:
        _serve(server, None)
    from spo_trace.probes.events import rates_between, stacks_of, total_events
    from spo_trace.probes.symbolizer import live_symbolizer
    from spo_trace.reporters.format import counted

    assert interval is not None
    # Events between the attach and now belong to no interval.
    before, number, began = total_events(probes, by_stack=by_stack), 0, monotonic()
    symbols = live_symbolizer() if by_stack else None
    last = began
    print(f"{'time':8}  {'comm':16}  {'out/s':>9}  {'in/s':>9}  {'freed/s':>9}", flush=True)
    while count is None or number < count:
        _serve(server, began + (number + 1) * interval)
        after, now = total_events(probes, by_stack=by_stack), monotonic()
        rows = list(rates_between(before, after, now - last))
        shown = rows[: top or None]
        _show(shown, stacks_of(probes, symbols, [row.owner for row in shown]) if symbols else {})
        if top and len(rows) > top:
            note(f"… {counted(len(rows) - top, 'more row')}: --top 0 shows all")
        before, last, number = after, now, number + 1


# Send the maps to snapshots that ask for them, until `deadline` or (without one) forever.
def _serve(server: "TraceServer", deadline: float | None) -> None:
    while deadline is None or monotonic() < deadline:
        ready, _, _ = select([server], [], [], None if deadline is None else max(deadline - monotonic(), 0))
        if ready:
            server.answer()


def _show(rows: "list[Rates]", stacks: "dict[EventOwner, list[str]]") -> None:
    time = strftime("%H:%M:%S")
    for row in rows:
        # ? marks an unknown owner, whose events were counted for the task that swapped.
        comm = printable(row.owner.comm) + ("" if row.owner.known else " ?")
        print(f"{time}  {comm:16}  {row.out:9,.0f}  {row.in_:9,.0f}  {row.freed:9,.0f}")
        print("".join(f"    {printable(frame)}\n" for frame in stacks.get(row.owner, ())), end="")
    if not rows:
        print(f"{time}  -")
    print(end="", flush=True)


def _note_counters(probes: "Probes") -> None:
    from spo_trace.probes.counters import COUNTERS

    counted = {name: number for name, number in probes.counters().items() if number}
    note("Detached. Counted:" if counted else "Detached. Nothing was swapped.")
    for name, number in counted.items():
        note(f"{number:14,} {COUNTERS[name]}")
