# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system's libbpf by ctypes: open an object, choose its programs and the sizes of its maps, load and attach."""

import ctypes
import os
from ctypes import c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache

__all__ = ["LIBRARY", "BpfObject", "Handle", "Libbpf", "system_libbpf"]

# The dynamic loader searches it in the system's directories.
LIBRARY = "libbpf.so.1"

# The address of an object of libbpf.
Handle = int

# The longest message that is kept: the verifier's log of one program.
_MOST_BYTES = 1 << 20
_DEBUG = 2

_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)

# Name, type of the result, types of the arguments. Only functions of libbpf 1.0.
_FUNCTIONS = (
    ("libbpf_set_print", c_void_p, (c_void_p,)),
    ("libbpf_version_string", c_char_p, ()),
    ("bpf_object__open_file", c_void_p, (c_char_p, c_void_p)),
    ("bpf_object__load", c_int, (c_void_p,)),
    ("bpf_object__next_program", c_void_p, (c_void_p, c_void_p)),
    ("bpf_object__find_program_by_name", c_void_p, (c_void_p, c_char_p)),
    ("bpf_object__find_map_by_name", c_void_p, (c_void_p, c_char_p)),
    ("bpf_map__set_max_entries", c_int, (c_void_p, c_uint32)),
    ("bpf_map__fd", c_int, (c_void_p,)),
    ("bpf_program__fd", c_int, (c_void_p,)),
    ("bpf_program__set_autoload", c_int, (c_void_p, c_bool)),
    ("bpf_program__set_attach_target", c_int, (c_void_p, c_int, c_char_p)),
    ("bpf_program__attach_trace", c_void_p, (c_void_p,)),
    ("bpf_program__attach_kprobe_opts", c_void_p, (c_void_p, c_char_p, c_void_p)),
    ("bpf_link__fd", c_int, (c_void_p,)),
    ("btf__new", c_void_p, (c_char_p, c_uint32)),
    ("btf__find_by_name_kind", c_int, (c_void_p, c_char_p, c_uint32)),
    ("btf__type_by_id", c_void_p, (c_void_p, c_uint32)),
)


# struct bpf_kprobe_opts of libbpf 1.0; later ones append members, and look at sz.
class _KprobeOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("bpf_cookie", c_uint64), ("offset", c_size_t), ("retprobe", c_bool))


class Libbpf:
    """Hold the library, and the lines that it would have printed."""

    def __init__(self) -> None:
        """Load the library; raise OSError if the system has none."""
        library = ctypes.CDLL(LIBRARY, use_errno=True)
        for name, result, arguments in _FUNCTIONS:
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self.call = library
        self.lines: list[str] = []
        self._libc = ctypes.CDLL(None)
        # The library keeps the address.
        self._print = _PRINT(self._keep)
        library.libbpf_set_print(self._print)

    def version(self) -> str:
        """Return the version, such as 1.1."""
        return str(self.call.libbpf_version_string().decode()).removeprefix("v")

    # A va_list argument is an address on x86_64 and aarch64.
    def _keep(self, level: int, form: int, arguments: int) -> int:
        if level < _DEBUG:
            buffer = ctypes.create_string_buffer(_MOST_BYTES)
            self._libc.vsnprintf(buffer, c_size_t(len(buffer)), c_void_p(form), c_void_p(arguments))
            self.lines += buffer.value.decode("utf-8", "backslashreplace").splitlines()
        return 0


@cache
def system_libbpf() -> Libbpf:
    """Return the library, which is loaded once: it keeps one address to call for what it prints."""
    return Libbpf()


class BpfObject:
    """Hold one open object. A function that fails raises OSError with libbpf's error number."""

    def __init__(self, libbpf: Libbpf, path: str) -> None:
        """Open the file `path`."""
        self._call = libbpf.call
        self._object = self._handle(self._call.bpf_object__open_file(os.fsencode(path), None))

    def programs(self) -> "list[Handle]":
        """Return all programs."""
        found: list[Handle] = []
        while following := self._call.bpf_object__next_program(self._object, found[-1] if found else None):
            found.append(int(following))
        return found

    def program(self, name: str) -> Handle:
        """Return a program."""
        return self._handle(self._call.bpf_object__find_program_by_name(self._object, name.encode()))

    def choose(self, program: Handle, *, loaded: bool) -> None:
        """Have `load` load a program, or leave it out."""
        self._check(self._call.bpf_program__set_autoload(program, loaded))

    def set_target(self, program: Handle, function: str) -> None:
        """Set the kernel function that a fentry program is for."""
        self._check(self._call.bpf_program__set_attach_target(program, 0, function.encode()))

    def set_size(self, name: str, entries: int) -> None:
        """Set the number of entries of a map."""
        found = self._handle(self._call.bpf_object__find_map_by_name(self._object, name.encode()))
        self._check(self._call.bpf_map__set_max_entries(found, entries))

    def load(self) -> None:
        """Create the maps, and load the chosen programs."""
        self._check(self._call.bpf_object__load(self._object))

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map of the loaded object."""
        found = self._handle(self._call.bpf_object__find_map_by_name(self._object, name.encode()))
        return self._check(self._call.bpf_map__fd(found))

    def program_fd(self, program: Handle) -> int:
        """Return the descriptor of a loaded program."""
        return self._check(self._call.bpf_program__fd(program))

    def attach_fentry(self, program: Handle) -> int:
        """Attach a loaded fentry program to its target, and return the descriptor of the link."""
        return self._link(self._call.bpf_program__attach_trace(program))

    def attach_kprobe(self, program: Handle, function: str, offset: int) -> int:
        """Attach a loaded kprobe program inside a function, and return the descriptor of the link."""
        options = _KprobeOptions(ctypes.sizeof(_KprobeOptions), 0, offset, False)
        called = self._call.bpf_program__attach_kprobe_opts
        return self._link(called(program, function.encode(), ctypes.addressof(options)))

    def _link(self, link: "int | None") -> int:
        return self._check(self._call.bpf_link__fd(self._handle(link)))

    def _handle(self, handle: "int | None") -> Handle:
        if not handle:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return int(handle)

    def _check(self, result: int) -> int:
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result
