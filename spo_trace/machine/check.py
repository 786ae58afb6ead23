# SPDX-License-Identifier: LGPL-2.1-or-later
"""The result of one check of this machine."""

from enum import StrEnum
from typing import NamedTuple

from spo_trace.formats.missing import Missing

__all__ = ["Check", "CheckCode", "State"]


class CheckCode(StrEnum):
    """Name a check; the values are stable, for programs."""

    ROOT = "root"
    DEBUGFS = "debugfs"
    LOCKDOWN = "lockdown"
    PAGE_OWNER = "page_owner"
    SWAP_PAGE_OWNER = "swap_page_owner"
    PAGE_OWNER_STACKS = "page_owner_stacks"
    COMPILED_CODE = "compiled_code"
    TRACE_PRIVILEGES = "trace_privileges"
    TRACE_LOCKDOWN = "trace_lockdown"
    TRACE_BPF = "trace_bpf"
    TRACE_BCC = "trace_bcc"
    TRACE_BTF = "trace_btf"
    TRACE_HEADERS = "trace_headers"
    TRACE_HOOKS = "trace_hooks"
    TRACE_KPROBES = "trace_kprobes"


class State(StrEnum):
    """Say what a check found: `missing` prevents a snapshot, `optional` is missing but a snapshot works without it."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"
    UNKNOWN = "unknown"


class Check(NamedTuple):
    """Hold the result of one check; `found` and `fix` are text for people, `cause` is why it is not ok."""

    code: CheckCode
    state: State
    what: str
    found: str
    fix: str = ""
    cause: Missing | None = None
