# SPDX-License-Identifier: LGPL-2.1-or-later
"""A record's body: the stack, then the lines that the kernel prints after it, up to the empty line."""

import re
from typing import Any, NamedTuple

from spo_trace.formats.escape import escape
from spo_trace.formats.frame import is_frame
from spo_trace.formats.record import Malformed, Record, Reject, RejectSink
from spo_trace.formats.stack_table import StackTable

__all__ = ["CUT_OFF", "BodyParser", "Tail"]

CUT_OFF = "the record is cut off: it has no empty line at its end"

_FRAMES = re.compile(rb"(?: [^\n]*\n)*")

_MIGRATED = re.compile(rb"Page has been migrated, last migrate reason: (\S+)")
# The name is a cgroup's: any bytes but newline, "a b), c" included (print_page_owner_memcg(), Linux 5.18+).
_CHARGED = re.compile(rb"Charged (\(via objcg\) )?to (offline )?memcg (.*)", re.DOTALL)
_HANDLE = re.compile(rb"handle: (\d{1,10})")
_MODULE = re.compile(rb"Page allocated by module (\S+)")
_PID = re.compile(rb"PID (-?\d{1,9})")

# Tails are few, but a hostile file can make every one differ.
_MAX_CACHED = 1 << 16


class Tail(NamedTuple):
    """Hold what the lines after the first frames say, None where no line says it."""

    frames: bytes = b""
    last_migrate_reason: str | None = None
    memcg: str | None = None
    memcg_offline: bool | None = None
    memcg_objcg: bool | None = None
    slab: bool = False
    handle: int | None = None
    module_name: str | None = None
    pid: int | None = None
    terminated: bool = False
    unknown: tuple[tuple[int, int, str], ...] = ()


class BodyParser:
    """Parse bodies, each distinct stack and each distinct tail once."""

    def __init__(self, file: str, stacks: StackTable, reject: RejectSink) -> None:
        self._file = file
        self._stacks = stacks
        self._reject = reject
        self._tails: dict[bytes, Tail] = {}

    def parse(self, record: Record, start: int, *, needs_end: bool = True) -> tuple[int, Tail]:
        """Return the stack_id and the tail of the body that begins at byte `start` of `record`.

        Raise Malformed if `needs_end` and the empty line that ends a record is missing.
        """
        tail_start = _end_of_frames(record.text, start)
        tail = self._tail(record.text[tail_start:])
        if needs_end and not tail.terminated:
            raise Malformed(CUT_OFF)
        for first, last, reason in tail.unknown:
            self._reject(Reject.part(self._file, record, reason, tail_start + first, tail_start + last))
        return self._stack_id(record.text[start:tail_start] + tail.frames, tail.handle), tail

    def _stack_id(self, block: bytes, handle: int | None) -> int:
        if handle is None:
            return self._stacks.intern(block)
        if not block:
            return self._stacks.intern_handle(handle)
        stack_id = self._stacks.intern(block)
        self._stacks.set_handle(stack_id, handle)
        return stack_id

    def _tail(self, text: bytes) -> Tail:
        tail = self._tails.get(text)
        if tail is None:
            if len(self._tails) >= _MAX_CACHED:
                self._tails.clear()
            tail = self._tails[text] = _parse_tail(text)
        return tail


def _end_of_frames(text: bytes, start: int) -> int:
    match = _FRAMES.match(text, start)
    return match.end() if match else start


def _parse_tail(text: bytes) -> Tail:
    fields: dict[str, Any] = {}
    frames = b""
    unknown = []
    at = 0
    while at < len(text):
        end = text.find(b"\n", at) + 1 or len(text)
        line = text[at:end].removesuffix(b"\n")
        if not line:
            fields["terminated"] = True
            if text[end:].strip():
                unknown.append((end, len(text), "text after the end of a record"))
            break
        if (said := _line_fields(line)) is not None:
            fields |= said
        elif is_frame(line):
            frames += line + b"\n"
        else:
            unknown.append((at, end, "line not understood"))
        at = end
    return Tail(frames, unknown=tuple(unknown), **fields)


def _line_fields(line: bytes) -> dict[str, Any] | None:
    if line == b"Slab cache page":
        return {"slab": True}
    if match := _CHARGED.fullmatch(line):
        return {"memcg": escape(match[3]), "memcg_offline": bool(match[2]), "memcg_objcg": bool(match[1])}
    if match := _MIGRATED.fullmatch(line):
        return {"last_migrate_reason": escape(match[1])}
    if match := _HANDLE.fullmatch(line):
        return {"handle": int(match[1])}
    if match := _MODULE.fullmatch(line):
        return {"module_name": escape(match[1])}
    if match := _PID.fullmatch(line):
        return {"pid": int(match[1])}
    return None
