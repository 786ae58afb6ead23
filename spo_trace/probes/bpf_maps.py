# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of bpf(2) that are called directly: read maps, run programs, try what the kernel permits."""

import ctypes
import errno
import os
import struct

__all__ = ["lookup", "lookup_all", "missed_runs", "run_program", "try_hash_map", "try_program", "update"]

# __NR_bpf; all other architectures have the generic number.
_SYSCALL = {"x86_64": 321, "ppc64le": 361, "ppc64": 361, "s390x": 351}.get(os.uname().machine, 280)

_MAP_CREATE = 0
_MAP_LOOKUP_ELEM = 1
_MAP_UPDATE_ELEM = 2
_PROG_LOAD = 5
_PROG_TEST_RUN = 10
_OBJ_GET_INFO_BY_FD = 15
_MAP_LOOKUP_BATCH = 24

_MAP_TYPE_HASH = 1
_PROG_TYPE_RAW_TRACEPOINT = 17

# struct bpf_prog_info, up to recursion_misses.
_PROGRAM_INFO = struct.Struct("=208xQ")

_libc = ctypes.CDLL(None, use_errno=True)


def lookup(fd: int, key: bytes, value_size: int) -> bytes | None:
    """Return the value of `key`, None if there is none; `value_size` is in bytes, for all processors together."""
    value = ctypes.create_string_buffer(value_size)
    key_buffer = ctypes.create_string_buffer(key, len(key))
    try:
        _bpf(_MAP_LOOKUP_ELEM, struct.pack("<IIQQQ", fd, 0, _address(key_buffer), _address(value), 0))
    except FileNotFoundError:
        return None
    return value.raw


def update(fd: int, key: bytes, value: bytes) -> None:
    """Set the value of `key`."""
    keys, values = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(_MAP_UPDATE_ELEM, struct.pack("<IIQQQ", fd, 0, _address(keys), _address(values), 0))


def lookup_all(fd: int, key_size: int, value_size: int, *, step: int = 1 << 14) -> tuple[bytes, bytes]:
    """Return all keys and all values of a hash map, concatenated (057996380a42, 5.6: BPF_MAP_LOOKUP_BATCH).

    Elements that are added or removed during the call may be included or not.
    """
    keys, values = bytearray(), bytearray()
    position = ctypes.create_string_buffer(4)
    first = True
    while True:
        key_part = ctypes.create_string_buffer(step * key_size)
        value_part = ctypes.create_string_buffer(step * value_size)
        in_batch = 0 if first else _address(position)
        attributes = bytearray(
            struct.pack(
                "<QQQQIIQQ", in_batch, _address(position), _address(key_part), _address(value_part), step, fd, 0, 0
            )
        )
        end = False
        try:
            _bpf(_MAP_LOOKUP_BATCH, attributes)
        except FileNotFoundError:
            end = True
        except OSError as error:
            # A bucket has more than `step` elements.
            if error.errno != errno.ENOSPC:
                raise
            step *= 2
            continue
        found = struct.unpack_from("<I", attributes, 32)[0]
        keys += key_part.raw[: found * key_size]
        values += value_part.raw[: found * value_size]
        if end:
            return bytes(keys), bytes(values)
        first = False


def run_program(fd: int, context: bytes) -> int:
    """Run a raw tracepoint program once with `context` as its arguments; return its result (1b4d60ec162f, 5.10)."""
    context_buffer = ctypes.create_string_buffer(context, len(context))
    # prog_fd, retval, data_size_in, data_size_out, data_in, data_out, repeat, duration, ctx_size_in, ctx_size_out,
    # ctx_in, ctx_out, flags, cpu, batch_size
    fields = (fd, 0, 0, 0, 0, 0, 0, 0, len(context), 0, _address(context_buffer), 0, 0, 0, 0)
    attributes = bytearray(struct.pack("<IIIIQQIIIIQQIIIxxxx", *fields))
    _bpf(_PROG_TEST_RUN, attributes)
    return int(struct.unpack_from("<i", attributes, 4)[0])


def try_program(instructions: bytes) -> None:
    """Load `instructions` (struct bpf_insn, 8 bytes each) as a raw tracepoint program, and unload it.

    Raise OSError with the kernel's error number if the kernel refuses.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_name = ctypes.create_string_buffer(b"GPL")
    fields = (_PROG_TYPE_RAW_TRACEPOINT, len(instructions) // 8, _address(code), _address(license_name))
    os.close(_bpf(_PROG_LOAD, struct.pack("<IIQQ", *fields)))


def try_hash_map(key_size: int, value_size: int, max_entries: int) -> None:
    """Create a preallocated hash map and remove it; raise OSError with the kernel's error number if that fails."""
    os.close(_bpf(_MAP_CREATE, struct.pack("<IIIII", _MAP_TYPE_HASH, key_size, value_size, max_entries, 0)))


def missed_runs(fd: int) -> int:
    """Return how often a program was skipped because it was already running on that processor (9ed9e9ba2337, 5.12)."""
    info = ctypes.create_string_buffer(_PROGRAM_INFO.size)
    _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, _PROGRAM_INFO.size, _address(info)))
    return int(_PROGRAM_INFO.unpack(info.raw)[0])


def _address(buffer: "ctypes.Array[ctypes.c_char]") -> int:
    return ctypes.addressof(buffer)


# A bytearray of attributes is changed in place.
def _bpf(command: int, attributes: "bytes | bytearray") -> int:
    size = len(attributes)
    buffer = (ctypes.c_char * size).from_buffer(
        attributes if isinstance(attributes, bytearray) else bytearray(attributes)
    )
    result = int(_libc.syscall(ctypes.c_long(_SYSCALL), ctypes.c_int(command), buffer, ctypes.c_uint(size)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
