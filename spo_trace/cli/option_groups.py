# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups of options that several commands share; a command takes a group as one parameter."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spo_trace.cli.options import (
    By,
    CsvSafe,
    Envelope,
    Force,
    Format,
    Mode,
    Output,
    Owner,
    Top,
    Where,
    condition_of,
    keys_of,
)
from spo_trace.cli.output import access_of
from spo_trace.cli.tables import Target, target_of

if TYPE_CHECKING:
    from spo_trace.analysis.order import Orders
    from spo_trace.analysis.question import Question

__all__ = ["DocumentOptions", "QuestionOptions", "grouped"]


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """Hold the options from which a question is parsed, as they were given."""

    by: By = None
    where: Where = None
    top: Top = None

    def question(self, sort: str, orders: "Orders") -> "Question":
        """Return the parsed question; raise UsageError if it is wrong. Call this before a raw capture is read."""
        from spo_trace.analysis.question import Question

        return Question.of(keys_of(self.by), condition_of(self.where), sort=sort, orders=orders, top=self.top)


@dataclass(frozen=True, slots=True)
class DocumentOptions:
    """Hold the options for the output of a table, as they were given."""

    format: Format = None
    output: Output = None
    envelope: Envelope = False
    csv_safe: CsvSafe = False
    owner: Owner = None
    mode: Mode = None
    force: Force = False

    def target(self, *others: Path | None) -> Target:
        """Return the checked target of the table; `others`: further files to which --owner and --mode apply."""
        access = access_of(self.owner, self.mode, self.output, *others)
        return target_of(
            self.format,
            self.output,
            force=self.force,
            envelope=self.envelope,
            csv_safe=self.csv_safe,
            access=access,
        )


_GROUPS = (QuestionOptions, DocumentOptions)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with the options of each group as parameters of their own, as typer needs them."""
    given = inspect.signature(command, eval_str=True)
    annotations: dict[str, Any] = {name: one.annotation for name, one in given.parameters.items()}
    groups = {name: annotation for name, annotation in annotations.items() if annotation in _GROUPS}
    fields = {name: inspect.signature(group).parameters for name, group in groups.items()}
    parameters = [one for name, own in given.parameters.items() for one in fields.get(name, {name: own}).values()]
    flat = given.replace(parameters=parameters)

    def run(*args: Any, **kwargs: Any) -> None:
        bound = flat.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        for name, group in groups.items():
            arguments[name] = group(**{field: arguments.pop(field) for field in fields[name]})
        command(**arguments)

    update_wrapper(run, command)
    # typer would look at the signature of the command itself.
    del run.__wrapped__  # type: ignore[attr-defined]
    run.__signature__ = flat  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
