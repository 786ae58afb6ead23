# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options of a command line that are plain and valid, without typer, which takes time and memory to load."""

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin

from spo_trace.cli.options import Option
from spo_trace.errors import UsageError

__all__ = ["plain_options"]


def plain_options(command: Callable[..., None], arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return the value of each option in `arguments` by its parameter of `command`, as typer would.

    None if there is anything else than options, or one that is unknown, incomplete, wrong, or joined to its value
    without `=`: typer then says so, or understands it. The options are those in the annotations of `command`.
    """
    found: dict[str, Any] = {}
    known = _known(command)
    words = iter(arguments)
    try:
        for word in words:
            spelled, is_joined, joined = word.partition("=") if word.startswith("--") else (word, "", "")
            name, kind, given = known[spelled]
            if given.shows is not None:
                value = _value(kind, given, joined if is_joined else next(words))
                found[name] = [*found.get(name, []), value] if _is_list(kind) else value
            elif is_joined:
                return None
            else:
                found[name] = True
    except (KeyError, StopIteration, ValueError, UsageError):
        return None
    return found


# The parameter, the type and the description of each option by its spellings.
def _known(command: Callable[..., None]) -> dict[str, tuple[str, Any, Option]]:
    known: dict[str, tuple[str, Any, Option]] = {}
    for name, annotation in command.__annotations__.items():
        match get_args(annotation):
            case (kind, Option() as given):
                known |= dict.fromkeys(given.names, (name, kind, given))
    return known


def _value(kind: Any, given: Option, text: str) -> Any:
    if not text or (text.startswith("-") and text != "-"):
        raise ValueError(text)
    if given.parse is not None:
        return given.parse(text)
    kinds = [item for one in get_args(kind) or (kind,) for item in (get_args(one) or (one,))]
    convert = next(one for one in (int, float, Path, str) if one in kinds)
    value = convert(text)
    if isinstance(value, int | float) and not (isfinite(value) and (given.least is None or value >= given.least)):
        raise ValueError(text)
    return value


def _is_list(kind: Any) -> bool:
    return any(get_origin(one) is list for one in (kind, *get_args(kind)))
