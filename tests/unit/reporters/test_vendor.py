# SPDX-License-Identifier: LGPL-2.1-or-later
"""Vendored code matches the versions, licences and checksums in its README."""

import hashlib
import re
from importlib.resources import files

VENDORED = files("spo_trace.reporters.vendor")
README = VENDORED.joinpath("README.md").read_text(encoding="utf-8")


def test_every_file_has_version_licence_and_checksum() -> None:
    rows = re.findall(
        r"^\| `([\w.-]+\.js)` \| (\S+) \| ([\d.]+) \| (\S+) \| `([\w.-]+)` \| `(\w{64})` \|$", README, re.M
    )
    names = {file.name for file in VENDORED.iterdir() if file.name.endswith(".js")}
    assert {row[0] for row in rows} == names and names
    for name, package, version, licence, licence_file, checksum in rows:
        content = VENDORED.joinpath(name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum, f"{name}: refresh it with make vendor"
        licence_text = VENDORED.joinpath(licence_file).read_text(encoding="utf-8")
        assert {"ISC": "Permission to use, copy", "Apache-2.0": "Apache License"}[licence] in licence_text
        # d3 has its version in its first line; the other library has none.
        assert package != "d3" or f"v{version} " in content.decode().splitlines()[0]
