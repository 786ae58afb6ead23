# SPDX-License-Identifier: LGPL-2.1-or-later
"""A record's body: the stack, then the lines that the kernel prints after it, up to the empty line."""

import re
from typing import Any, NamedTuple

from spo_trace.formats.escape import escape
from spo_trace.formats.frame import is_frame
from spo_trace.formats.record import RECORD_START, Malformed, Record, Reject, RejectSink
from spo_trace.formats.stack_table import StackTable

__all__ = ["CUT_OFF", "BodyParser", "Tail", "parse_tail"]

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
_LONGEST_CACHED = 1 << 12


class _Unknown(NamedTuple):
    """Hold where text that is not understood stands in a tail: bytes `start` to `end`, after `lines` lines."""

    start: int
    end: int
    lines: int
    reason: str


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
    unknown: tuple[_Unknown, ...] = ()


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
        if tail.unknown:
            self._reject_unknown(record, tail_start, tail.unknown)
        return self._stack_id(record.text[start:tail_start] + tail.frames, tail.handle), tail

    def _reject_unknown(self, record: Record, tail_start: int, unknown: tuple[_Unknown, ...]) -> None:
        offset, line = record.place(tail_start)
        for start, end, lines, reason in unknown:
            at = offset + start + (lines if record.folded else 0)
            text = record.text[tail_start + start : tail_start + end]
            self._reject(Reject(self._file, at, line + lines, reason, text, lost=reason == CUT_OFF))

    def _stack_id(self, block: bytes, handle: int | None) -> int:
        if handle is None:
            return self._stacks.intern(block)
        if not block:
            return self._stacks.intern_handle(handle)
        return self._stacks.intern_with_handle(block, handle)

    def _tail(self, text: bytes) -> Tail:
        tail = self._tails.get(text)
        if tail is None:
            tail = parse_tail(text)
            if len(self._tails) >= _MAX_CACHED:
                self._tails.clear()
            if len(text) <= _LONGEST_CACHED:
                self._tails[text] = tail
        return tail


def _end_of_frames(text: bytes, start: int) -> int:
    match = _FRAMES.match(text, start)
    return match.end() if match else start


def parse_tail(text: bytes) -> Tail:
    """Return what the lines from the frames' end to the record's end say."""
    fields: dict[str, Any] = {}
    frames = []
    unknown = []
    at = lines = 0
    while at < len(text):
        end = text.find(b"\n", at) + 1 or len(text)
        line = text[at:end].removesuffix(b"\n")
        if not line:
            fields["terminated"] = True
            if rest := text[end:].strip():
                # What has the first words of a record alone is one that the text ends in.
                reason = CUT_OFF if RECORD_START.startswith(rest) else "text after the end of a record"
                unknown.append(_Unknown(end, len(text), lines + 1, reason))
            break
        if (said := _line_fields(line)) is not None:
            fields |= said
        elif is_frame(line):
            frames.append(line + b"\n")
        else:
            unknown.append(_Unknown(at, end, lines, "line not understood"))
        at = end
        lines += 1
    return Tail(b"".join(frames), unknown=tuple(unknown), **fields)


def _line_fields(line: bytes) -> dict[str, Any] | None:
    if line == b"Slab cache page":
        return {"slab": True}
    if match := _CHARGED.fullmatch(line):
        return {"memcg": escape(match[3]), "memcg_offline": bool(match[2]), "memcg_objcg": bool(match[1])}
    if match := _MIGRATED.fullmatch(line):
        return {"last_migrate_reason": escape(match[1])}
    if (match := _HANDLE.fullmatch(line)) and int(match[1]) < 1 << 32:
        return {"handle": int(match[1])}
    if match := _MODULE.fullmatch(line):
        return {"module_name": escape(match[1])}
    if match := _PID.fullmatch(line):
        return {"pid": int(match[1])}
    return None
