# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/platforms.md: where spo-trace was run, and what worked there, from docs/platforms.json (`make platforms`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.vm.platform_cells import LOADERS
from tests.vm.platform_rows import Row, read_rows
from tests.vm.platforms import GUEST_SECONDS, TESTED

__all__ = ["platforms_page"]

RESULTS = Path(__file__).parents[2] / "docs" / "platforms.json"
COLUMNS = ("snapshot", *(f"trace ({loader})" for loader in LOADERS), "doctor", "tests")
# What a column means without a note.
MARKS = {"ok": "ok", "failed": "**fails**", "refused": "refuses", "not run": "not run"}

_HEAD = f"""\
# Platforms

Where spo-trace was run, and what worked there. `make platforms` runs this and writes the page: it installs spo-trace on
fresh machines of Debian as [README](../README.md#install) says, and boots each of them with several kernels, emulated
by QEMU ([tests/vm](../tests/vm/README.md)). A row shows what was run on its date, and nothing else.

- snapshot: `snapshot` reads the machine, from the kernel's memory unless a note says otherwise; and `verify` finds its
  memory balanced within 2 %.
- trace (libbpf), trace (bcc): `trace --loader` with each of both attaches its probes. A process is swapped out, and
  half of it is swapped in again; both times, a snapshot has as much swap of it as the kernel counts (VmSwap), or at
  most 2 % less, or 64 entries more, which kernels up to 6.14 free later. The kernel logs no warning.
- doctor: its exit code is 0, and it says what is possible.
- tests: those of tests/unit/{", ".join(TESTED)} with this Python and these
  packages, as a user, on the kernel of the machine that runs the guests.
- libbpf, bcc: the versions of the distribution. Its clang compiles the programs that libbpf loads.
- **fails**, refuses: it does not work. `doctor` has said so for what it refuses, and a note says why.
- –: not run.

A guest that hangs is ended after {GUEST_SECONDS // 60} minutes; what it has not done then fails.

No release of Debian has Python 3.12. `python3.12 -m tests.vm.platforms docs/platforms.json host` makes a row of the
machine that runs the guests, with the Python of this command; its tests run as root.

Kernels: `stock` is Linux without the patches of swap_page_owner, `spo` with them, `full` with more options. All have
CONFIG_PAGE_OWNER and are built from `make tinyconfig`; `arm64-4k` and `-64k` have pages of 4 and 64 KiB.
"""


def platforms_page(rows: Sequence[Row]) -> str:
    """Return the page."""
    notes: list[str] = []
    table = "\n".join(_table(rows, notes))
    numbered = "\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))
    return f"{_HEAD}\n{table}\n\n## Notes\n\n{numbered}\n"


def _table(rows: Sequence[Row], notes: list[str]) -> Iterator[str]:
    head = (
        "distribution",
        "kernel",
        "release",
        "machine",
        "Python",
        "pandas, pyarrow",
        ", ".join(LOADERS),
        *COLUMNS,
        "date",
    )
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        versions = [row.versions.get(name) for name in ("python", "pandas", "pyarrow")]
        packages = ", ".join(filter(None, versions[1:])) or "–"
        probes = ", ".join(row.versions.get(name) or "–" for name in LOADERS)
        cells = [_cell(row, column, notes) for column in COLUMNS]
        line = (row.distribution, row.kernel, row.release, row.architecture, versions[0] or "–", packages, probes)
        yield f"| {' | '.join((*line, *cells, row.date))} |"


# Equal sentences have one number.
def _cell(row: Row, column: str, notes: list[str]) -> str:
    found = row.results.get(column)
    if found is None:
        return "–"
    if not found.note:
        return MARKS[found.result]
    if found.note not in notes:
        notes.append(found.note)
    return f"{MARKS[found.result]} ({notes.index(found.note) + 1})"


if __name__ == "__main__":
    print(platforms_page(read_rows(RESULTS)), end="")
