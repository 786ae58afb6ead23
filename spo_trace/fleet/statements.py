# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fill in the SQL files: only names of columns that this package chooses, never a text of a user or a machine."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from string import Template

from spo_trace.fleet.keys import FleetKey, Home

__all__ = ["Quoted", "key_columns", "statement", "values_statement"]

# Writes a column's name as an engine needs it.
Quoted = Callable[[str], str]


def key_columns(keys: Sequence[FleetKey]) -> list[str]:
    """Return the names of the columns that hold the keys in results: key_0, key_1, …"""
    return [f"key_{place}" for place in range(len(keys))]


def statement(
    name: str, keys: Sequence[FleetKey], quoted: Quoted, *, conditions: Sequence[FleetKey] | None = None
) -> str:
    """Return the statement in `name`.sql; `conditions`: keys of the table `matching`, None without a condition."""
    parts = {
        "columns": ", ".join(key_columns(keys)),
        "keys": _aliased(keys, quoted),
        "known": " AND ".join(_known(key, place, quoted) for place, key in enumerate(keys)),
        "selected": "" if conditions is None else f"JOIN matching ON {_matching(conditions, quoted)}",
    }
    return _text(name).safe_substitute(parts, owners=_text("owners").substitute(parts))


def values_statement(keys: Sequence[FleetKey], quoted: Quoted) -> str:
    """Return the statement for the distinct values of keys."""
    return _text("values").substitute(keys=_aliased(keys, quoted))


def _text(name: str) -> Template:
    return Template((files("spo_trace.fleet") / "sql" / f"{name}.sql").read_text(encoding="utf-8"))


def _column(key: FleetKey, place: int, quoted: Quoted) -> str:
    if key.home is Home.CHOSEN:
        return f"chosen.key_{place}"
    return f"{key.home.value}.{quoted(key.name)}"


def _aliased(keys: Sequence[FleetKey], quoted: Quoted) -> str:
    return ", ".join(f"{_column(key, place, quoted)} AS key_{place}" for place, key in enumerate(keys))


# A page may be charged to no memory cgroup, and a host may have no such label: it is known that there is none.
def _known(key: FleetKey, place: int, quoted: Quoted) -> str:
    if key.home is Home.CHOSEN and "." in key.name:
        return "TRUE"
    found = f"{_column(key, place, quoted)} IS NOT NULL"
    return f"({found} OR cube.memcg_known)" if key.name == "memcg" else found


def _matching(keys: Sequence[FleetKey], quoted: Quoted) -> str:
    return " AND ".join(
        f"{_column(key, place, quoted)} IS NOT DISTINCT FROM matching.key_{place}" for place, key in enumerate(keys)
    )
