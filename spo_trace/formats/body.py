# SPDX-License-Identifier: LGPL-2.1-or-later
"""A record's body: the stack and the lines that the kernel prints after it, up to the empty line."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from spo_trace.formats.escape import escape
from spo_trace.formats.frame import are_frames, is_frame
from spo_trace.formats.garbage import SECOND_LINE_WORDS
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START, Malformed, Record
from spo_trace.limits import MAX_RECORD_LINES

__all__ = ["Body", "BodyReader", "Tail", "Unknown", "parse_tail"]

_FRAMES = re.compile(rb"(?: [^\n]*\n)*")

# 7cd12b4abfd2, 4.6: this line.
_MIGRATED = re.compile(rb"Page has been migrated, last migrate reason: (\S+)")
# fcf8935832b8, 5.18: print_page_owner_memcg(). A cgroup's name has any bytes but newline, such as "a b), c".
_CHARGED = re.compile(rb"Charged (\(via objcg\) )?to (offlined? )?memcg (.*)", re.DOTALL)
# No kernel prints this line; memory/page_owner.py does.
_MEMCG_PATH = re.compile(rb"Memory cgroup path: (/.*)", re.DOTALL)
_HANDLE = re.compile(rb"handle: (\d{1,10})")
_MODULE = re.compile(rb"Page allocated by module (\S+)")
_PID = re.compile(rb"PID (-?\d{1,9})")

# The first words of the second line of a page_owner or swap_page_owner record.
_SECOND_LINE = re.compile(rb"^(?:PFN (?:0x[0-9a-f]+|\d+) |SWP entry 0x)", re.MULTILINE)

# A machine has few distinct tails and stacks, but in a hostile file each can differ.
_MAX_CACHED = 1 << 16
_LONGEST_CACHED = 1 << 12


class Unknown(NamedTuple):
    """Hold the position of rejected text, bytes `start` to `end`, and the reason, which is the same for all lines."""

    start: int
    end: int
    code: Reason


class Tail(NamedTuple):
    """Hold the values in the lines after the first frames, None if no line has the value.

    `grep`: number of separator lines of grep. `terminated`: the final empty line exists.
    """

    frames: bytes = b""
    last_migrate_reason: str | None = None
    memcg: str | None = None
    memcg_offline: bool | None = None
    memcg_objcg: bool | None = None
    memcg_path: str | None = None
    slab: bool = False
    handle: int | None = None
    module_name: str | None = None
    pid: int | None = None
    grep: int = 0
    terminated: bool = False
    unknown: tuple[Unknown, ...] = ()


class Body(NamedTuple):
    """Hold a body: the lines of its stack, the values in its other lines, and the positions of rejected text."""

    stack: bytes
    tail: Tail
    unknown: tuple[Unknown, ...]
    marks: tuple[Reason, ...] = ()


class BodyReader:
    """Parse bodies, each distinct stack and each distinct tail once."""

    def __init__(self) -> None:
        self._tails: dict[bytes, Tail] = {}
        self._regular: dict[bytes, bool] = {}

    def read(self, record: Record, start: int, skipped: tuple[int, int]) -> Body:
        """Return the body that begins at byte `start` of `record`, without the bytes of range `skipped`.

        Raise Malformed if the record ends before the body does.
        """
        first = parse_tail(record.text[start : skipped[0]])
        after = skipped[1]
        end = _end_of_frames(record.text, after)
        if not self._are_frames(record.text[after:end]):
            end = after
        tail = self._tail(record.text[end:])
        unknown = (*_moved(first.unknown, start), *_moved(tail.unknown, end))
        marks = () if tail.terminated else _unterminated(record, unknown)
        return Body(first.frames + record.text[after:end] + tail.frames, _joined(first, tail), unknown, marks)

    def _are_frames(self, lines: bytes) -> bool:
        regular = self._regular.get(lines)
        if regular is None:
            regular = are_frames(lines)
            _remember(self._regular, lines, regular)
        return regular

    def _tail(self, text: bytes) -> Tail:
        tail = self._tails.get(text)
        if tail is None:
            tail = parse_tail(text)
            _remember(self._tails, text, tail)
        return tail


def _remember(cache: dict[bytes, Any], key: bytes, value: object) -> None:
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    if len(key) <= _LONGEST_CACHED:
        cache[key] = value


def _end_of_frames(text: bytes, start: int) -> int:
    match = _FRAMES.match(text, start)
    return match.end() if match else start


def _moved(unknown: tuple[Unknown, ...], by: int) -> Iterator[Unknown]:
    return (Unknown(start + by, end + by, code) for start, end, code in unknown)


def _joined(first: Tail, tail: Tail) -> Tail:
    if first == Tail():
        return tail
    kept = {name: value for name, value in first._asdict().items() if value and not getattr(tail, name)}
    return tail._replace(**kept)


# If more text follows and the last line is whole, a copy lost only the empty line. A delimited record without the empty
# line is always cut off, as it comes from the kernel itself.
def _unterminated(record: Record, unknown: tuple[Unknown, ...]) -> tuple[Reason, ...]:
    cut = not record.text.endswith(b"\n") or len(record.text) >= LONGEST_PIECE
    if record.delimited or record.last or cut or (unknown and unknown[-1].end == len(record.text)):
        raise Malformed(Reason.CUT_OFF)
    return (Reason.NO_EMPTY_LINE,)


def parse_tail(text: bytes) -> Tail:
    """Return the values in the lines from the end of the frames to the end of the record."""
    fields: dict[str, Any] = {}
    frames: list[bytes] = []
    unknown: list[Unknown] = []
    at = lines = 0
    while at < len(text):
        lines += 1
        if lines == MAX_RECORD_LINES:
            end = text.find(b"\n\n", at) + 1 or len(text)
            _add_unknown(unknown, at, end, Reason.LINE)
            at = end
            continue
        end = text.find(b"\n", at) + 1 or len(text)
        line = text[at:end].removesuffix(b"\n")
        if not line:
            fields["terminated"] = True
            unknown += _after_the_end(text, end)
            break
        if frames and _SECOND_LINE.match(line):
            # A second record without its first line; the empty line between the two is missing too.
            fields["terminated"] = True
            unknown.append(Unknown(at, len(text), Reason.NO_FIRST_LINE))
            break
        if line == b"--":
            fields["grep"] = fields.get("grep", 0) + 1
        elif (line_values := _line_fields(line)) is not None:
            fields |= line_values
        elif is_frame(line):
            frames.append(line + b"\n")
        else:
            _add_unknown(unknown, at, end, _why_unknown(line))
        at = end
    return Tail(b"".join(frames), unknown=tuple(unknown), **fields)


# Join lines that are next to each other: an interleaved message of the kernel is one reject.
def _add_unknown(unknown: list[Unknown], start: int, end: int, code: Reason) -> None:
    if unknown and unknown[-1].end == start and unknown[-1].code == code:
        start = unknown.pop().start
    unknown.append(Unknown(start, end, code))


def _after_the_end(text: bytes, start: int) -> Iterator[Unknown]:
    rest = text[start:].strip()
    if not rest:
        return
    code = Reason.AFTER_END
    # The text ends within the first words of the next record.
    if RECORD_START.startswith(rest):
        code = Reason.CUT_OFF
    elif any(words in rest for words in SECOND_LINE_WORDS) and _SECOND_LINE.search(rest):
        code = Reason.NO_FIRST_LINE
    elif RECORD_START in rest:
        code = Reason.MARKED
    yield Unknown(start, len(text), code)


def _why_unknown(line: bytes) -> Reason:
    if line.startswith(b"PFN"):
        return Reason.PFN_LINE
    # A frame that was cut or overwritten still has its leading blank or its offset.
    return Reason.STACK_GAP if line.startswith(b" ") or b"+0x" in line else Reason.LINE


def _line_fields(line: bytes) -> dict[str, Any] | None:
    if line == b"Slab cache page":
        return {"slab": True}
    if match := _CHARGED.fullmatch(line):
        return {"memcg": escape(match[3]), "memcg_offline": bool(match[2]), "memcg_objcg": bool(match[1])}
    if match := _MEMCG_PATH.fullmatch(line):
        return {"memcg_path": escape(match[1])}
    if match := _MIGRATED.fullmatch(line):
        return {"last_migrate_reason": escape(match[1])}
    if (match := _HANDLE.fullmatch(line)) and int(match[1]) < 1 << 32:
        return {"handle": int(match[1])}
    if match := _MODULE.fullmatch(line):
        return {"module_name": escape(match[1])}
    if match := _PID.fullmatch(line):
        return {"pid": int(match[1])}
    return None
