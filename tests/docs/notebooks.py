# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the notebooks: update their outputs (`make notebooks`), or check that they are up to date."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["run", "texts"]

DIRECTORY = Path(__file__).parents[2] / "notebooks"


def run(path: Path) -> Any:
    """Run the notebook `path` and return it with its new outputs; raise if a cell fails."""
    book = nbformat.read(path, as_version=4)
    # Without execution times, which would change the file at each run.
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
    """Return the text of a notebook's outputs, without pictures."""
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]


def main() -> None:
    """Update all notebooks, or with --check, test whether the outputs of the given ones are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("paths", nargs="*", type=Path, default=sorted(DIRECTORY.glob("*.ipynb")))
    arguments = parser.parse_args()
    # Builds its cache here: a notebook would print a message if that takes more than five seconds.
    importlib.import_module("matplotlib.font_manager")
    for path in arguments.paths:
        fresh = run(path)
        if not arguments.check:
            nbformat.write(fresh, path)
        elif texts(fresh) != (kept := texts(nbformat.read(path, as_version=4))):
            first = next((pair for pair in zip(kept, texts(fresh), strict=False) if pair[0] != pair[1]), None)
            sys.exit(f"{path} is not fresh (make notebooks): {first}")


if __name__ == "__main__":
    main()
