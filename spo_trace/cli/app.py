# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line as typer runs it, made of the commands' functions and the options in their annotations."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from importlib import import_module
from inspect import signature
from math import isfinite
from typing import Annotated, Any, get_args, get_origin

import typer

from spo_trace.cli.commands import COMMANDS, COMPLETION, GROUPS
from spo_trace.cli.errors import complain, drop_unwritable_output
from spo_trace.cli.options import Option, Positional
from spo_trace.errors import EXIT_USAGE, UsageError
from spo_trace.version import __version__

__all__ = ["GLOSSARY", "command_line", "run"]

# Columns in which every help text is one line.
_ONE_LINE = 10_000

_CONTEXT = {"help_option_names": ["-h", "--help"]}

GLOSSARY = "Terms and categories: docs/glossary.md; keys: docs/keys.md"


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with these commands; only their modules are imported, as imports take time."""
    app = typer.Typer(
        name="spo-trace",
        help="Who owns this Linux machine's memory, including the part that is in swap?",
        epilog="To try it without root: spo-trace demo",
        context_settings=_CONTEXT,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        callback=_options,
    )
    for name in names:
        module = import_module(f"spo_trace.cli.{name.replace('-', '_')}")
        if name in GROUPS:
            app.add_typer(_group(name, module.__doc__ or ""), name=name)
        else:
            app.command(name, epilog=GLOSSARY)(_typed(module.command))
    return app


def _group(name: str, title: str) -> typer.Typer:
    group = typer.Typer(
        help=title,
        epilog=GLOSSARY,
        invoke_without_command=True,
        rich_markup_mode=None,
        context_settings=_CONTEXT,
        callback=_need_command,
    )
    for command in GROUPS[name]:
        module = import_module(f"spo_trace.cli.{name}.{command}")
        group.command(command, epilog=GLOSSARY)(_typed(module.command))
    return group


def _print_version(asked: bool) -> None:
    if asked:
        print(f"spo-trace {__version__}", flush=True)
        raise typer.Exit


def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    _need_command(context)


def _need_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)


# typer gets its own descriptions of options in place of ours.
def _typed(command: Callable[..., None]) -> Callable[..., None]:
    given = signature(command, eval_str=True)
    parameters = [one.replace(annotation=_translated(one.annotation)) for one in given.parameters.values()]

    def run(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    update_wrapper(run, command)
    # typer would look at the signature of the command itself.
    del run.__wrapped__  # type: ignore[attr-defined]
    run.__signature__ = given.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _translated(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, given = get_args(annotation)
    match given:
        case Option(names, help, None):
            return Annotated[kind, typer.Option(*names, help=help)]
        case Option():
            return Annotated[kind, _with_value(given)]
        case Positional(shows, help, least, values):
            limits: dict[str, Any] = {} if least is None else {"min": least, "callback": _finite}
            if values:
                limits["autocompletion"] = _completer(values)
            return Annotated[kind, typer.Argument(metavar=shows, help=help, show_default=False, **limits)]
    return annotation


def _with_value(given: Option) -> Any:
    limits: dict[str, Any] = {} if given.least is None else {"min": given.least, "callback": _finite}
    if given.parse is not None:
        limits["parser"] = _parser(given.parse)
    if given.values:
        limits["autocompletion"] = _completer(given.values)
    return typer.Option(*given.names, metavar=given.shows, help=given.help, show_default=given.default, **limits)


# The last one of several values is completed.
def _completer(values: Sequence[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{value}" for value in values if value.startswith(last)]

    return complete


# `min` accepts nan and inf.
def _finite(number: float | None) -> float | None:
    if isinstance(number, float) and not isfinite(number):
        raise typer.BadParameter(f"{number} must be a finite number")
    return number


def _parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parser(text: str) -> Any:
        try:
            return parse(text)
        except UsageError as error:
            raise typer.BadParameter(f"{error.message}: {error.hint}") from error

    return parser


# The command in a line that a shell asks to complete, "" if it asks for nothing.
def _completed_command() -> str:
    if COMPLETION not in os.environ:
        return ""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # typer has no public name for it

    completion_init()
    # Rich would wrap help texts, and fish takes each line for a completion.
    os.environ["COLUMNS"] = str(_ONE_LINE)
    words = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
    return next((word for word in words[1:] if word in COMMANDS), "")


# typer contains a private copy of click.
_WrongUsage: Any = typer.BadParameter.__base__


def run(arguments: list[str]) -> None:
    """Run a command, and exit."""
    first = _completed_command() or (arguments[0] if arguments else "")
    app = command_line([first] if first in COMMANDS else COMMANDS)
    try:
        sys.exit(app(arguments, prog_name="spo-trace", standalone_mode=False))
    except _WrongUsage as error:
        message = error.format_message().rstrip(".")
        asked = error.ctx.command_path if error.ctx else "spo-trace"
        complain(message[:1].lower() + message[1:], f"see {asked} --help")
        sys.exit(EXIT_USAGE)
    except OSError as error:
        # Raised by --help and --version: @guarded handles the errors of commands only.
        drop_unwritable_output()
        sys.exit(f"spo-trace: error: {error.strerror}")
