# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages between spo-trace and the loader of the probes: JSON over a socket."""

from typing import TypedDict

__all__ = ["LoadAnswer", "LoadRequest", "Refusal"]


class LoadRequest(TypedDict):
    """Ask to attach the probes; `loader`: bcc or libbpf, `program`: path of the BPF program's source, or compiled.

    `sizes`: the most entries of the maps `entries` and `restored`. `debugfs`: the directory where it is mounted.
    """

    loader: str
    program: str
    sizes: dict[str, int]
    last_pfn: int
    events: bool
    debugfs: str


class LoadAnswer(TypedDict):
    """Describe the attached probes. Descriptors follow: those of `maps`, of `programs` programs, and of the links.

    `loader`: the name and version of what loaded them. `hooks`: role to function. `owners`: page_owner is on.
    `checked_pages`: pages whose owners were read from memory and compared with page_owner.
    """

    loader: str
    hooks: dict[str, str]
    fentry: bool
    owners: bool
    checked_pages: int
    maps: list[str]
    programs: int


class Refusal(TypedDict):
    """Say why the probes can't be attached, and how to fix that."""

    error: str
    hint: str | None
