# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make vendor`: download the libraries of the HTML pages from npm, with their licences, and describe them."""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

VENDORED = Path(__file__).parents[1] / "spo_trace" / "reporters" / "vendor"


class Library(NamedTuple):
    """An npm package: its name, version, licence, and the file to copy."""

    package: str
    version: str
    licence: str
    file: str


# To update one, change its version here and run `make vendor`.
LIBRARIES = (
    Library("d3", "7.9.2", "ISC", "dist/d3.min.js"),
    Library("d3-flame-graph", "5.0.0", "Apache-2.0", "dist/d3-flamegraph.umd.min.js"),
)

README = """\
# Vendored libraries

Third-party code, unchanged from its npm packages, each under its own licence. The HTML reports include it, so that they
load nothing. `make vendor` regenerates this directory (versions: `tests/vendor.py`).

| file | package | version | licence | licence text | SHA-256 |
|---|---|---|---|---|---|
"""


def main() -> None:
    """Write the libraries, their licences and README.md."""
    rows = [_fetch(library) for library in LIBRARIES]
    (VENDORED / "README.md").write_text(README + "".join(rows), encoding="utf-8")


def _fetch(library: Library) -> str:
    with tempfile.TemporaryDirectory() as directory:
        name = f"{library.package}@{library.version}"
        subprocess.run(["npm", "pack", "--silent", name, "--pack-destination", directory], check=True)
        (archive,) = Path(directory).glob("*.tgz")
        with tarfile.open(archive) as packed:
            content, licence = (_member(packed, path) for path in (library.file, "LICENSE"))
    file, text = Path(library.file).name, f"{library.package}.LICENSE"
    (VENDORED / file).write_bytes(content)
    (VENDORED / text).write_bytes(licence)
    checksum = hashlib.sha256(content).hexdigest()
    return f"| `{file}` | {library.package} | {library.version} | {library.licence} | `{text}` | `{checksum}` |\n"


def _member(packed: tarfile.TarFile, path: str) -> bytes:
    file = packed.extractfile(f"package/{path}")
    assert file is not None
    return file.read()


if __name__ == "__main__":
    main()
