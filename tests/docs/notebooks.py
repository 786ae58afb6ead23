# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the notebooks from top to bottom: refresh their outputs (`make notebooks`), or check that they are fresh."""

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["run", "texts"]

DIRECTORY = Path(__file__).parents[2] / "notebooks"


def run(path: Path) -> Any:
    """Return the notebook `path` with the outputs that it has now; raise if a cell fails."""
    book = nbformat.read(path, as_version=4)
    # Times of execution would make each run another file.
    client = NotebookClient(
        book,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in book.cells:
        cell.metadata = {}
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return book


def texts(book: Any) -> list[str]:
    """Return what the outputs of a notebook say, without its pictures."""
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]


def main() -> None:
    """Refresh all notebooks, or with --check say whether the outputs of those named are what they print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("paths", nargs="*", type=Path, default=sorted(DIRECTORY.glob("*.ipynb")))
    arguments = parser.parse_args()
    for path in arguments.paths:
        fresh = run(path)
        if not arguments.check:
            nbformat.write(fresh, path)
        elif texts(fresh) != (kept := texts(nbformat.read(path, as_version=4))):
            first = next((pair for pair in zip(kept, texts(fresh), strict=False) if pair[0] != pair[1]), None)
            sys.exit(f"{path} is not fresh (make notebooks): {first}")


if __name__ == "__main__":
    main()
