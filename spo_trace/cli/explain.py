# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace explain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.options import Force, Mode, Output, Owner, PageSize, Positional, Source, option
from spo_trace.cli.output import access_of, check_output, opened
from spo_trace.cli.tables import chosen_format
from spo_trace.errors import EXIT_THRESHOLD, UsageError

if TYPE_CHECKING:
    from spo_trace.findings.codes import Code
    from spo_trace.findings.finding import Explanation

__all__ = ["command"]

_FORMATS = ("text", "json", "markdown")
_ENDINGS = {".json": "json", ".md": "markdown", ".txt": "text"}

Second = Annotated[
    str | None,
    Positional("SNAPSHOT_B", "A later snapshot: explain what changed from the first to this one."),
]
Format = Annotated[
    str | None,
    option(
        "--format",
        "-f",
        shows="NAME",
        help="text, json or markdown. Default: by the suffix of -o (.json, .md, .txt), else text.",
    ),
]
FailOn = Annotated[
    list[str] | None,
    option(
        "--fail-on",
        shows="CODE",
        help="Exit with 3 if there is a finding with this code (docs/explain.md has all). Repeat it, or separate codes "
        "by commas, for several.",
    ),
]


@guarded
def command(
    snapshot: Source,
    other: Second = None,
    format: Format = None,
    output: Output = None,
    owner: Owner = None,
    mode: Mode = None,
    force: Force = False,
    fail_on: FailOn = None,
    page_size: PageSize = None,
) -> None:
    """Explain what stands out: at most seven findings, with their evidence.

    SNAPSHOT may also be a recording (of watch --record), or a directory of snapshots or aggregates: then the findings
    are what grows steadily in it. Each finding is a sentence, the command that shows the evidence, and a possible
    action. The last line names rules that could not be checked, because the input lacks something.

    \b
        spo-trace explain now.spo
        spo-trace explain before.spo after.spo
        spo-trace explain now.spo --format json
        spo-trace explain now.spo --fail-on memory-nearly-full --fail-on offline-memcg    # in CI
    """
    chosen = chosen_format(format, output, _FORMATS, _ENDINGS)
    access = access_of(owner, mode, output)
    check_output(output, force=force)
    wanted = _codes(fail_on)
    from spo_trace.findings.documents import render

    found = _explained(snapshot, other, page_size)
    with opened(output, force=force, access=access) as file:
        render(found, chosen, file)
    if stopping := [finding for finding in found.all if finding.code in wanted]:
        fail("; ".join(f"{one.code}: {one.text}" for one in stopping), None, EXIT_THRESHOLD)


def _explained(snapshot: str, other: str | None, page_size: int | None) -> "Explanation":
    import spo_trace as spo
    from spo_trace.findings.explain import explained_columns
    from spo_trace.sampling.series import is_series

    if is_series(Path(snapshot)):
        return spo.explain(snapshot, other)
    columns = explained_columns("pages")
    first = open_snapshot(snapshot, columns, page_size=page_size)
    second = None if other is None else open_snapshot(other, columns, page_size=page_size)
    return spo.explain(first, second)


def _codes(given: list[str] | None) -> "set[Code]":
    from spo_trace.findings.codes import Code

    names = [name.strip() for part in given or [] for name in part.split(",")]
    for name in names:
        if name not in set(Code):
            raise UsageError(f"there is no code {name!r}", hint=f"choose from {', '.join(Code)}")
    return set(map(Code, names))
