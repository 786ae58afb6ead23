# SPDX-License-Identifier: LGPL-2.1-or-later
"""The option --fail-above of differences."""

from typing import Annotated

from spo_trace.cli.options import option
from spo_trace.errors import UsageError

__all__ = ["FailAbove", "growth_limit"]

FailAbove = Annotated[
    str | None,
    option("--fail-above", shows="SIZE", help="Exit with 3 if any row grew by more than SIZE, such as 1GiB."),
]


def growth_limit(text: str | None) -> int | None:
    """Return the bytes of --fail-above, None without it; raise UsageError for what is no size."""
    from spo_trace.reporters.format import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        hint = "a size such as 4096, 512K, 64Mi, 64MiB or 1.5G; K, M, G … are of 1024 each"
        raise UsageError(f"--fail-above: {error}", hint=hint) from error
