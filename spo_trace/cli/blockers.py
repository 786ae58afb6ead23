# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace blockers."""

from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.inputs import open_snapshot
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import PageSize, Source, Top, Where, condition_of, keys_of, option
from spo_trace.cli.tables import no_match_notes, show

__all__ = ["command"]

For = Annotated[str, option("--for", shows="NAME", help="What is prevented: hugepage, cma or offline.", default=True)]
By = Annotated[
    list[str] | None,
    option("--by", shows="KEYS", help="Keys to group by, separated by commas, as for report. Default: stack."),
]
Sort = Annotated[
    str, option("--sort", shows="COLUMN", help="blocked, alone, pages, blocks or a key of --by.", default=True)
]


@guarded
@grouped
def command(
    snapshot: Source,
    for_: For = "hugepage",
    by: By = None,
    where: Where = None,
    sort: Sort = "blocked",
    top: Top = None,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    page_size: PageSize = None,
) -> None:
    """Show which unmovable pages prevent huge pages, CMA allocations or offlining.

    Lists the owners of unmovable pages in blocks of memory that are otherwise free or movable. Owners whose few pages
    block the most memory come first. hugepage: in all pageblocks, which compaction cannot empty. cma: in pageblocks of
    CMA. offline: in memory blocks (/sys/devices/system/memory). A block counts for each owner of unmovable pages in it;
    "alone" counts blocks with unmovable pages of this owner only. docs/blockers.md explains which pages are unmovable,
    and what page_owner does not tell.

    \b
        spo-trace blockers now.spo --top 5
        spo-trace blockers now.spo --by category,caller
        spo-trace blockers now.spo --where 'pageblock_migratetype == "Movable"'
        spo-trace blockers now.spo --for offline --by memory_block
    """
    to = document.target()
    from spo_trace.analysis.blocker_notes import blocker_notes
    from spo_trace.analysis.blockers import BLOCKER_ORDERS, checked_purpose, find_blockers
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.snapshot_notes import input_notes, placeholder_notes

    purpose = checked_purpose(for_)
    keys = keys_of(by or ["stack"])
    question = Question.of(keys, condition_of(where), sort=sort, orders=BLOCKER_ORDERS, top=top)
    snap = open_snapshot(snapshot, page_size=page_size)
    found = find_blockers(snap, question, purpose)
    notes = no_match_notes(question.condition, found=bool(found.blocks))
    notes += [*blocker_notes(snap, found, purpose), *placeholder_notes(snap)]
    total = {
        "unmovable_pages": found.unmovable_pages,
        "blocks": found.blocks,
        "blocked_bytes": found.blocked_bytes,
    }
    show(found.table, to, notes, printed=input_notes(snap), top=question.top, total=total)
