# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open the ROOT of a fleet: a directory, or an object store."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from spo_trace.analysis.arguments import path_of
from spo_trace.errors import Argument, UsageError
from spo_trace.files.access import access_for
from spo_trace.fleet.local_root import LocalRoot
from spo_trace.fleet.root import Root

__all__ = ["open_root"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


def open_root(
    root: str | os.PathLike[str], *, create: bool = False, owner: str | None = None, mode: int | None = None
) -> Root:
    """Open a directory or, for a URL, an object store; raise SpoTraceError if there is no fleet.

    `create`: make an empty fleet if it is missing. `owner` and `mode` are those of files in a directory.
    """
    if not isinstance(root, str) or not _URL.match(root):
        return LocalRoot.open(Path(path_of(root, "root")), create=create, access=access_for(owner, mode))
    if root.startswith("file://"):
        local = unquote(urlsplit(root).path)
        return LocalRoot.open(Path(path_of(local, "root")), create=create, access=access_for(owner, mode))
    if owner is not None or mode is not None:
        raise UsageError(
            "the files of an object store have no owner and no mode",
            hint=("leave out ", Argument("owner"), " and ", Argument("mode")),
        )
    # It loads the clients of all object stores.
    from spo_trace.fleet.store_root import StoreRoot

    return StoreRoot.open(root, create=create)
