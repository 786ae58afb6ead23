# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make pictures`: the live view of watch and the plot of a trend, for the simulated leak."""

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support import in_process
from tests.terminal import in_terminal

__all__ = ["main"]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

LEAK = ["--from", "leak", "--backend", "simulator"]


def main() -> None:
    """Create both pictures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _, seen = in_terminal(["watch", *LEAK], directory)
        # The last view stays on the terminal.
        stays = seen.decode().rpartition("\x1b[?1049l")[2]
        (PICTURES / "watch.svg").write_text(_drawn(stays.replace("\r\n", "\n").strip()))
        in_process("watch", *LEAK, "--record", "minutes", cwd=directory)
        plot = PICTURES / "trend.svg"
        in_process("trend", "minutes", "--plot", plot, "--force", cwd=directory)
        plot.chmod(0o644)


def _drawn(text: str) -> str:
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="spo-trace watch", unique_id="watch")
    # Use the reader's own fonts instead of those that rich would load from the network.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
