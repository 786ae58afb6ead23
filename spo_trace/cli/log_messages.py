# SPDX-License-Identifier: LGPL-2.1-or-later
"""Log messages of the other packages on standard error, as the command line says things."""

import logging
from copy import copy

from spo_trace.cli.messages import for_command_line
from spo_trace.errors import Argument
from spo_trace.printable import printable

__all__ = ["show_log_messages"]


# They may contain control characters (of file names) and arguments in the notation of the API.
class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        if isinstance(record.args, tuple):
            shown.args = tuple(
                for_command_line(value) if isinstance(value, Argument) else value for value in record.args
            )
        return printable(super().format(shown))


def show_log_messages() -> None:
    """Print the messages of this package from INFO on, and those of others from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("spo-trace: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("spo_trace").setLevel(logging.INFO)
