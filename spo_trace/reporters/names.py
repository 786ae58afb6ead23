# SPDX-License-Identifier: LGPL-2.1-or-later
r"""Keys as text: a missing key and an empty name must differ from every name, which others can choose.

A name that looks like one of these marks is shown with its first character as `\ooo`, as other characters are escaped.
"""

import pandas as pd

from spo_trace.reporters.format import UNKNOWN

__all__ = ["NONE", "name_of", "shown_key", "shown_name", "stored_name"]

# Shown for a key of which it is known that there is none, such as the memory cgroup of a page that is not charged.
NONE = "-"

_EMPTY = '""'
_LOOK_ALIKES = {name: f"\\{ord(name[0]):03o}{name[1:]}" for name in (UNKNOWN, NONE, _EMPTY)}
_STORED = {shown: name for name, shown in _LOOK_ALIKES.items()} | {_EMPTY: ""}


def shown_name(name: str) -> str:
    r"""Return a stored name as it is displayed.

    >>> print(shown_name("web.slice"), shown_name("-"), shown_name(""))
    web.slice \055 ""
    """
    return _LOOK_ALIKES.get(name, name) or _EMPTY


def stored_name(shown: str) -> str:
    """Return the stored name that is displayed as `shown`."""
    return _STORED.get(shown, shown)


def shown_key(value: object, *, known: bool) -> str:
    """Return a key as it is displayed; a missing one is `?` if it is unknown, and `-` if there is none."""
    if pd.isna(value):  # type: ignore[call-overload]
        return NONE if known else UNKNOWN
    return shown_name(value) if isinstance(value, str) else str(value)


def name_of(value: object, what: str = "comm", *, known: bool = False) -> str:
    """Return a name for a graph: a missing one is "(unknown comm)", or "(no memcg)" if it is `known` to be none."""
    marks = (f"(unknown {what})", f"(no {what})")
    if pd.isna(value):  # type: ignore[call-overload]
        return marks[known]
    return f"\\050{value[1:]}" if isinstance(value, str) and value in marks else shown_key(value, known=True)
