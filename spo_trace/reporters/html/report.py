# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML report on one snapshot: flame graph, treemap, ages, stacks and balance."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

import pandas as pd

from spo_trace.reporters.balance import SIGN
from spo_trace.reporters.format import counted, format_share
from spo_trace.reporters.html.page import amount, facts_list, notes_list, text, tiles, write_page
from spo_trace.reporters.html.rows import Numbers, filled, shown, stack_rows
from spo_trace.schema import KEY_KNOWN

__all__ = ["ReportTables", "render_report"]

_AMOUNTS = ("mem_bytes", "swap_bytes", "swap_cache_bytes")


class ReportTables(NamedTuple):
    """Hold the tables of a report.

    `stacks`: an attribution by STACK_KEYS; `owners`: one by memcg and comm; `ages` by comm, in the classes that
    begin at `age_classes` seconds; `balance` (with verdicts) may be None; `categories`: the description of
    each, in the order of the legend.
    """

    stacks: pd.DataFrame
    owners: pd.DataFrame
    ages: pd.DataFrame
    balance: pd.DataFrame | None
    age_classes: Sequence[int]
    categories: Mapping[str, str]


def render_report(
    tables: ReportTables,
    outfile: TextIO,
    *,
    title: str,
    facts: Sequence[tuple[str, object]],
    notes: Sequence[str],
    version: str,
    findings: str = "",
    unknown: Collection[str] = (),
    least: Mapping[str, Sequence[tuple[str, int]]] = {},
) -> None:
    """Write the report; `facts` (name, value), `findings` (HTML) and `notes` are at the top, below `title`.

    `unknown`: those of `mem` and `swap` whose owners are unknown; 0 bytes would be a wrong answer. `least`: by key,
    owners and the bytes of unknown swap that each has at least.
    """
    mem, swap, both = (int(tables.stacks[f"{name}_bytes"].sum()) for name in ("mem", "swap", "total"))
    sums = {"in memory": None if "mem" in unknown else mem, "in swap": None if "swap" in unknown else swap}
    sums |= {} if unknown else {"together": both}
    comms = Numbers()
    data = {
        "kind": "report",
        "unknown": list(unknown),
        **stack_rows(tables.stacks, "stack", _AMOUNTS, comms),
        "owners": _owners(tables.owners, comms),
        "ages": _ages(tables.ages, tables.age_classes, comms),
        "categories": list(tables.categories),
        "comms": comms.values(),
    }
    parts = {
        "title": text(title),
        "version": text(version),
        "facts": facts_list(facts),
        "notes": findings + notes_list(notes),
        "tiles": tiles(sums),
        "balance": _least(least) + _balance(tables.balance),
        "categories": _categories(tables.categories),
    }
    write_page(outfile, "report", parts, data)


def _owners(table: pd.DataFrame, comms: Numbers) -> list[list[Any]]:
    columns = table[["memcg", "comm", KEY_KNOWN, *_AMOUNTS]].itertuples(index=False, name=None)
    return [
        [shown(memcg, "memcg", known=known), comms.of(shown(comm)), *map(_int_or_none, amounts)]
        for memcg, comm, known, *amounts in columns
    ]


# Swap entries have no memory cgroup: how much swap each one has is unknown.
def _int_or_none(size: Any) -> int | None:
    return None if pd.isna(size) else int(size)


# Rows contain the number of the class; None: the kernel printed no time.
def _ages(table: pd.DataFrame, classes: Sequence[int], comms: Numbers) -> dict[str, Any]:
    number_of = {begin: number for number, begin in enumerate(classes)}
    columns = filled(table, _AMOUNTS)[["comm", "age_from", *_AMOUNTS]].itertuples(index=False, name=None)
    rows = [
        [comms.of(shown(comm)), None if pd.isna(begin) else number_of[begin], *amounts]
        for comm, begin, *amounts in columns
    ]
    return {"begins": list(classes), "rows": rows}


def _categories(descriptions: Mapping[str, str]) -> str:
    rows = (f"<div><dt>{text(name)}</dt><dd>{text(meaning)}</dd></div>" for name, meaning in descriptions.items())
    return f'<details><summary>What the categories mean</summary><dl class="terms">{"".join(rows)}</dl></details>'


def _least(tables: Mapping[str, Sequence[tuple[str, int]]]) -> str:
    if not tables:
        return ""
    sections = "".join(
        f'<tbody><tr><th colspan="2" scope="rowgroup">{text(key)}</th></tr>'
        + "".join(
            f'<tr><td>{text(name)}</td><td class="number">at least {amount(size)}</td></tr>' for name, size in rows
        )
        + "</tbody>"
        for key, rows in tables.items()
    )
    header = "<summary><h2>Swap with unknown owners</h2>lower bounds, which are in no total</summary>"
    body = f'<div class="scroll"><table>{sections}</table></div>'
    return f'<section class="balance"><details>{header}{body}</details></section>'


def _balance(table: pd.DataFrame | None) -> str:
    if table is None:
        return ""
    verdicts = table[table["kind"] == "verdict"].to_dict("records")
    summary = "; ".join(f"{row['section']}: {row['verdict']}" for row in verdicts)
    sections = "".join(_section(str(section), rows) for section, rows in table.groupby("section", sort=False))
    header = f"<summary><h2>Balance</h2>{text(summary)}</summary>"
    body = f'<div class="scroll"><table>{sections}</table></div>'
    return f'<section class="balance"><details>{header}{body}</details></section>'


def _section(title: str, rows: pd.DataFrame) -> str:
    lines = "".join(map(_line, rows.to_dict("records")))
    return f'<tbody><tr><th colspan="6" scope="rowgroup">{text(title)}</th></tr>{lines}</tbody>'


def _line(row: dict[Hashable, Any]) -> str:
    if row["kind"] == "verdict":
        return f'<tr class="verdict"><td></td><td colspan="5">{text(row["verdict"])}: {text(row["note"])}</td></tr>'
    share = format_share(row["share"]) if row["kind"] == "rest" else ""
    cells = [f"<td>{SIGN[row['kind']].strip()}</td>", f"<td>{text(row['item'])}</td>"]
    numbers = (counted(row["pages"], "page"), amount(row["bytes"]), share)
    cells += [*(f'<td class="number">{one}</td>' for one in numbers), f'<td class="why">{text(row["note"])}</td>']
    return f'<tr class="{row["kind"]}">{"".join(cells)}</tr>'
