# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner of page_owner text: the records that kernels since 5.18 print, one pass over the bytes.

It recognises a record in full or not at all: whatever differs in a byte from the formats E and F of page_owner.py is
left to that reference parser. Their fields may hold anything that the grammar allows.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from spo_trace.formats.bytescan import count_newlines, digits, find, hex_digits, load8, load64, word
from spo_trace.formats.intern_table import FULL, NEWLINES, intern
from spo_trace.formats.record import LONGEST_PIECE

__all__ = ["COLUMNS", "COMM", "DONE", "FLAGS", "GFP", "MIGRATETYPE", "NO_ROWS", "NO_STRINGS", "STACK", "TAIL", "scan"]

# The kinds of strings that a record has.
GFP, COMM, MIGRATETYPE, FLAGS, STACK, TAIL = range(6)

# The columns of a row: numbers, and each string's number in the table. free_ts_nsec is -1 if it is not printed;
# start and line locate the record.
COLUMNS = (
    "pfn", "order", "pid", "tgid", "ts_nsec", "free_ts_nsec", "swapped", "gfp", "comm", "migratetype",
    "pageblock_migratetype", "flags", "stack", "tail", "start", "line",
)  # fmt: skip

# What `scan` returns: the block is done; there is no room for more rows, or strings.
DONE, NO_ROWS, NO_STRINGS = range(3)

_MAX_ORDER = 30
_MAX_PID_DIGITS = 9
_COMM_LENGTH = 15

_SPACE, _NEWLINE, _OPEN, _CLOSE, _MINUS = 32, 10, 40, 41, 45
_NEWLINES = word(b"\n" * 8)

_PAGE_ALL, _OCATED_V, _IA = word(b"Page all"), word(b"ocated v"), word(b"ia ")
_ORDER, _MASK_0X, _PID, _TGID, _TS = (
    word(b"order "),
    word(b", mask 0x"[:8]),
    word(b", pid "),
    word(b", tgid "),
    word(b"), ts "),
)
_NS, _FREE_TS, _SWAPPED_1, _SWAPPED_2 = word(b" ns"), word(b", free_t"), word(b" (swappe"), word(b"d)\n")
_PFN, _TYPE, _BLOCK, _FLAGS = word(b"PFN "), word(b" type "), word(b" Block "), word(b" Flags 0x"[:8])
_M3, _M4, _M6, _M7 = (np.uint64((1 << 8 * n) - 1) for n in (3, 4, 6, 7))


@njit(cache=True, nogil=True)
def _starts_record(at: int) -> bool:
    return load64(at) == _PAGE_ALL and load64(at + 8) == _OCATED_V and load64(at + 16) & _M3 == _IA


@njit(cache=True, nogil=True)
def _pid(at: int) -> tuple[int, int]:
    negative = load8(at) == _MINUS
    start = at + 1 if negative else at
    value, end = digits(start)
    if end == 0 or end - start > _MAX_PID_DIGITS:
        return 0, 0
    return (-value if negative else value), end


# Names in parentheses: the address of the closing one, 0 if another parenthesis or a newline comes before it.
@njit(cache=True, nogil=True)
def _names_end(at: int, end: int) -> int:
    while at < end:
        byte = load8(at)
        if byte == _CLOSE:
            return at
        if byte in (_OPEN, _NEWLINE):
            return 0
        at += 1
    return 0


# The comm's end: the last `), ts ` that it can have within its 15 bytes; 0 if there is none, or a NUL before it.
@njit(cache=True, nogil=True)
def _comm_end(at: int) -> int:
    for length in range(_COMM_LENGTH, -1, -1):
        if load64(at + length) & _M6 == _TS:
            for position in range(at, at + length):
                if load8(position) == 0:
                    return 0
            return at + length
    return 0


@njit(cache=True, nogil=True)
def _word_end(at: int) -> int:
    while load8(at) > _SPACE:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _frames_end(at: int, end: int) -> int:
    while at < end and load8(at) == _SPACE:
        at = find(at, end, _NEWLINES) + 1
    return at


# The tail ends with the empty line; 0 if a record starts, or the text ends, before it.
@njit(cache=True, nogil=True)
def _tail_end(at: int, end: int) -> int:
    while at < end:
        if load8(at) == _NEWLINE:
            return at + 1
        if load64(at) == _PAGE_ALL:
            return 0
        at = find(at, end, _NEWLINES) + 1
    return 0


@njit(cache=True, nogil=True)
def _next_start(at: int, end: int) -> int:
    while True:
        at = find(at, end, _NEWLINES) + 1
        if at >= end:
            return end
        if _starts_record(at):
            return at


# Returns the address after the record; 0 if it is not recognised; -1 if there is no room for its strings.
@njit(cache=True, nogil=True)
def _record(
    at: int,
    end: int,
    row: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    spans: npt.NDArray[np.int64],
    arena: int,
    room: int,
    used: npt.NDArray[np.int64],
) -> int:
    if not (_starts_record(at) and load64(at + 19) & _M6 == _ORDER):
        return 0
    longest_end = at + LONGEST_PIECE
    order, at = digits(at + 25)
    if at == 0 or order > _MAX_ORDER or load64(at) != _MASK_0X or load8(at + 8) != 120:
        return 0
    gfp = at + 9
    _, at = hex_digits(gfp)
    if at == 0 or at - gfp > 8 or load8(at) != _OPEN:
        return 0
    gfp_end = _names_end(at + 1, end)
    if gfp_end == 0 or load64(gfp_end + 1) & _M6 != _PID:
        return 0
    pid, at = _pid(gfp_end + 7)
    if at == 0 or load64(at) & _M7 != _TGID:
        return 0
    tgid, at = _pid(at + 7)
    if at == 0 or load8(at) != _SPACE or load8(at + 1) != _OPEN:
        return 0
    comm = at + 2
    comm_end = _comm_end(comm)
    if comm_end == 0:
        return 0
    ts_nsec, at = digits(comm_end + 6)
    if at == 0 or load64(at) & _M3 != _NS:
        return 0
    at += 3
    free_ts_nsec = -1
    if load64(at) == _FREE_TS and load8(at + 8) == 115 and load8(at + 9) == _SPACE:
        free_ts_nsec, at = digits(at + 10)
        if at == 0 or load64(at) & _M3 != _NS:
            return 0
        at += 3
    swapped = load64(at) == _SWAPPED_1 and load64(at + 8) & _M3 == _SWAPPED_2
    if swapped:
        at += 10
    if load8(at) != _NEWLINE or load64(at + 1) & _M4 != _PFN:
        return 0
    at += 5
    if load8(at) == 48 and load8(at + 1) == 120:
        pfn, at = hex_digits(at + 2)
    else:
        pfn, at = digits(at)
    if at == 0 or load64(at) & _M6 != _TYPE:
        return 0
    migratetype = at + 6
    migratetype_end = _word_end(migratetype)
    if migratetype_end == migratetype or load64(migratetype_end) & _M7 != _BLOCK:
        return 0
    _, at = digits(migratetype_end + 7)
    if at == 0 or load64(at) & _M6 != _TYPE:
        return 0
    pageblock = at + 6
    pageblock_end = _word_end(pageblock)
    if pageblock_end == pageblock or load64(pageblock_end) != _FLAGS or load8(pageblock_end + 8) != 120:
        return 0
    flags = pageblock_end + 9
    _, at = hex_digits(flags)
    if at == 0 or load8(at) != _OPEN:
        return 0
    flags_end = _names_end(at + 1, end)
    if flags_end == 0 or load8(flags_end + 1) != _NEWLINE:
        return 0
    stack = flags_end + 2
    stack_end = _frames_end(stack, end)
    if stack_end >= end:
        return 0
    tail_end = _tail_end(stack_end, end)
    if tail_end == 0 or tail_end > longest_end or (tail_end < end and not _starts_record(tail_end)):
        return 0
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = pfn, order, pid, tgid, ts_nsec, free_ts_nsec, swapped
    row[7] = intern(GFP, gfp, gfp_end - gfp, slots, hashes, spans, arena, room, used)
    row[8] = intern(COMM, comm, comm_end - comm, slots, hashes, spans, arena, room, used)
    row[9] = intern(MIGRATETYPE, migratetype, migratetype_end - migratetype, slots, hashes, spans, arena, room, used)
    row[10] = intern(MIGRATETYPE, pageblock, pageblock_end - pageblock, slots, hashes, spans, arena, room, used)
    row[11] = intern(FLAGS, flags, flags_end - flags, slots, hashes, spans, arena, room, used)
    row[12] = intern(STACK, stack, stack_end - stack, slots, hashes, spans, arena, room, used)
    row[13] = intern(TAIL, stack_end, tail_end - stack_end, slots, hashes, spans, arena, room, used)
    for string in range(7, 14):
        if row[string] == FULL:
            return -1
    return tail_end


@njit(cache=True, nogil=True)
def scan(
    base: int,
    size: int,
    state: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    spans: npt.NDArray[np.int64],
    arena: int,
    room: int,
    used: npt.NDArray[np.int64],
) -> int:
    """Go on in a block of `size` bytes at address `base` (and PADDING more) from where `state` says.

    `state`: rows, records left, position in the block, newlines before it. `rows` gets COLUMNS for each record that
    is recognised, `left` (row before which it stands, start, end, line) for each that is not. Return DONE at the
    block's end, or what the caller has to make room for first.
    """
    end = base + size
    count, others, at, line = state[0], state[1], base + state[2], state[3]
    result = DONE
    while at < end:
        if count == len(rows) or others == len(left):
            result = NO_ROWS
            break
        row = rows[count]
        after = _record(at, end, row, slots, hashes, spans, arena, room, used)
        if after < 0:
            result = NO_STRINGS
            break
        if after > 0:
            row[14], row[15] = at - base, line
            line += 2 + spans[row[8], NEWLINES] + spans[row[12], NEWLINES] + spans[row[13], NEWLINES]
            count += 1
        else:
            after = _next_start(at, end)
            left[others, 0], left[others, 1], left[others, 2], left[others, 3] = count, at - base, after - base, line
            line += count_newlines(at, after)
            others += 1
        at = after
    state[0], state[1], state[2], state[3] = count, others, at - base, line
    return result
