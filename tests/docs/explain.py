# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/explain.md: every finding of `spo-trace explain`, from the table of rules (`make docs`)."""

from spo_trace.findings.codes import Lack
from spo_trace.findings.rules import RULES, Rule
from spo_trace.findings.thresholds import MOST_FINDINGS, MOST_IN_REPORT, Threshold

__all__ = ["explain_page"]

_HEAD = f"""\
# What stands out

`spo-trace explain` prints at most {MOST_FINDINGS} findings, largest first. Each is a sentence, the command
that shows its evidence, and a possible action.

```console
$ cd fixtures/captures/7.2-spo
$ spo-trace explain 2-swapped
Memory is nearly exhausted: MemAvailable 1.98 MiB of 459 MiB.
    spo-trace report 2-swapped --by category,comm --top 5
    → Free or limit the memory of the largest owner.
384 MiB of memory is tmpfs or shared memory that DD allocated. Such pages cannot be dropped, only swapped or deleted.
…
254 MiB in swap was allocated by dd as tmpfs/shmem pages: all of the 252 MiB that were used when /proc/swaps was read.
    spo-trace report 2-swapped --by comm,category --sort swap --top 5
…
```

With two snapshots, the findings are what changed: what grew, what moved to swap, and what came back.

```console
$ spo-trace explain 1-dd256 2-swapped
DD grew by 385 MiB.
…
254 MiB of dd was swapped out, and its memory shrank by 252 MiB.
…
```

`show_stacks` and other [aggregates](captures.md#aggregates-and-dumps-of-single-pages) without processes tell which
functions and modules allocated more:

```console
$ spo-trace explain 0-initial/show_stacks.xz 1-dd256/show_stacks.xz
tmpfs/shmem memory allocated in shmem_alloc_folio grew by 256 MiB.
…
```

With a recording (of `watch --record`), or a directory of snapshots or aggregates, they are what grows steadily.

`spo-trace report` prints the {MOST_IN_REPORT} largest findings before its table, unless `--where` is given. HTML
reports (also those of `diff`) and notebooks contain findings too; CSV and JSON do not. `--no-findings` leaves them out.

## In CI

`--fail-on CODE` exits with 3 if there is such a finding, even if {MOST_FINDINGS} others are larger and it is
not shown.
`--format json` has the codes, which are stable, the numbers in bytes, the names, and the rules that were not checked.
Sentences may change.

```console
$ spo-trace explain 2-swapped --fail-on memory-nearly-full > /tmp/findings.txt || echo "exit code $?"
…
exit code 3
```

In Python, `spo.explain("now.spo").codes` is the set of codes.

## Findings

Every number of a sentence is the one of `spo.attribute` or `spo.diff` for the same question, unless it comes from
/proc. A threshold is a share of MemTotal, or of all that is listed if the input has no /proc/meminfo, and at least
1 MiB. `make docs` generates this list from the table of rules.

"""

_NOT_CHECKED = """
## Not checked

What the input does not contain is unknown, and no finding is made of it. The last line of the output names such rules:
`Not checked: fragmented (without /proc/buddyinfo)`. A live snapshot has almost all files.

| reason | the input lacks |
|---|---|
"""


def explain_page() -> str:
    """Return the text of docs/explain.md."""
    rows = "".join(_row(code, rule) for code, rule in RULES.items())
    table = f"| code | found if | threshold |\n|---|---|---|\n{rows}"
    reasons = "".join(f"| {_name(one)} | {one.share:.0%} of {one.whole} | {one.reason} |\n" for one in Threshold)
    why = f"\n## Thresholds\n\n| threshold | | reason |\n|---|---|---|\n{reasons}"
    lacks = "".join(f"| {lack} | {lack.text} |\n" for lack in Lack)
    return f"{_HEAD}{table}{why}{_NOT_CHECKED}{lacks}"


def _row(code: str, rule: Rule) -> str:
    return f"| {code} | {rule.found_if} | {_name(rule.threshold) if rule.threshold else ''} |\n"


def _name(threshold: Threshold) -> str:
    return threshold.name.lower().replace("_", " ")


if __name__ == "__main__":
    print(explain_page(), end="")
