# SPDX-License-Identifier: LGPL-2.1-or-later
"""The result of one check of this machine."""

from enum import StrEnum
from typing import NamedTuple

from spo_trace.formats.missing import Missing

__all__ = ["Check", "CheckCode", "State", "Topic"]


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
    TRACE_LOADER = "trace_loader"
    TRACE_LIBBPF = "trace_libbpf"
    TRACE_BCC = "trace_bcc"
    TRACE_BTF = "trace_btf"
    TRACE_HEADERS = "trace_headers"
    TRACE_HOOKS = "trace_hooks"
    TRACE_KPROBES = "trace_kprobes"


class State(StrEnum):
    """Name the result of a check. A snapshot is impossible if something is `missing`, but not if it is `optional`."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"
    UNKNOWN = "unknown"


class Check(NamedTuple):
    """Hold the result of one check; `found` and `fix` are texts for people, `cause` is a code, if one applies."""

    code: CheckCode
    state: State
    what: str
    found: str
    fix: str = ""
    cause: Missing | None = None


class Topic(NamedTuple):
    """Name the subject of a check, and make the result of the check."""

    code: CheckCode
    what: str

    def ok(self, found: str) -> Check:
        """Return the result for a subject that is present."""
        return Check(self.code, State.OK, self.what, found)

    def unknown(self, found: str, fix: str = "") -> Check:
        """Return the result for a subject that could not be checked."""
        return Check(self.code, State.UNKNOWN, self.what, found, fix)

    def optional(self, found: str, fix: str, cause: Missing | None = Missing.NO_FILE) -> Check:
        """Return the result for a missing subject without which a snapshot works."""
        return Check(self.code, State.OPTIONAL, self.what, found, fix, cause)

    def missing(self, found: str, fix: str, cause: Missing) -> Check:
        """Return the result for a missing subject without which there is no snapshot."""
        return Check(self.code, State.MISSING, self.what, found, fix, cause)
