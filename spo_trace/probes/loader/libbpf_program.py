# SPDX-License-Identifier: LGPL-2.1-or-later
"""The BPF programs that were compiled when spo-trace was built, loaded by the system's libbpf."""

import sys

from spo_trace.memory.btf import Btf
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader.hooks import Hook
from spo_trace.probes.loader.libbpf import BpfObject, system_libbpf
from spo_trace.probes.loader.libbpf_btf import LibbpfBtf
from spo_trace.probes.loader.messages import LoadRequest
from spo_trace.probes.loader.program import TRAMPOLINE, Program
from spo_trace.probes.loader.refusal import kprobe_problem, load_problem, map_problem, report_hint

__all__ = ["LibbpfProgram"]

# include/linux/errno.h; the C library has no text for it.
_ENOTSUPP = 524


class LibbpfProgram(Program):
    """Hold the programs that libbpf has loaded."""

    def __init__(self, request: LoadRequest, hooks: "list[Hook]", *, fentry: bool) -> None:
        """Load the programs of the hooks; raise Problem if that fails."""
        self._libbpf = system_libbpf()
        super().__init__(hooks, self.version(), fentry=fentry)
        self._links: list[int] = []
        try:
            self._object = BpfObject(self._libbpf, request["program"])
        except OSError as error:
            message = f"{request['program']} cannot be opened: {error.strerror}"
            raise Problem(message, "install clang, and then spo-trace again; or choose the loader bcc") from error
        try:
            self._load(request)
        except OSError as error:
            print(*self._libbpf.lines, sep="\n", file=sys.stderr)
            raise (map_problem(request["sizes"]["entries"]) or load_problem(error, self.tool)) from error

    def _load(self, request: LoadRequest) -> None:
        opened = self._object
        prefix = "fentry" if self.fentry else "kprobe"
        self._programs = [opened.program(f"{prefix}_{hook.program}") for hook in self.hooks]
        self._peek = opened.program("peek")
        for program in opened.programs():
            opened.choose(program, loaded=program in (*self._programs, self._peek))
        for name, entries in request["sizes"].items():
            opened.set_size(name, entries)
        if self.fentry:
            for hook, program in zip(self.hooks, self._programs, strict=True):
                opened.set_target(program, hook.function)
        opened.load()

    @staticmethod
    def version() -> str:
        """Return the name and version of libbpf."""
        return f"libbpf {system_libbpf().version()}"

    @staticmethod
    def btf(data: bytes) -> Btf:
        """Index the BTF of the kernel; raise ValueError or struct.error if it is none."""
        return LibbpfBtf(system_libbpf(), data)

    @staticmethod
    def has_fentry(symbols: KernelSymbols) -> bool:
        """Return whether the kernel supports fentry, if it has BTF."""
        return symbols.find(TRAMPOLINE) is not None

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map."""
        return self._object.map_fd(name)

    def peek_fd(self) -> int:
        """Return the descriptor of the program `peek`."""
        return self._object.program_fd(self._peek)

    def program_fds(self) -> "list[int]":
        """Return the descriptors of the programs of the hooks."""
        return [self._object.program_fd(program) for program in self._programs]

    def link_fds(self) -> "list[int]":
        """Return the descriptors of the links."""
        return self._links

    def attach(self, symbols: KernelSymbols) -> None:
        """Attach with fentry, or kprobes after the ftrace sites of the functions."""
        for hook, program in zip(self.hooks, self._programs, strict=True):
            try:
                self._links.append(self._attach(hook, program, symbols))
            except OSError as error:
                print(*self._libbpf.lines, sep="\n", file=sys.stderr)
                why = "not supported" if error.errno == _ENOTSUPP else str(error.strerror)
                if not self.fentry:
                    raise kprobe_problem(hook.function, why, self.tool) from error
                raise Problem(f"{hook.function} cannot be hooked: {why}", report_hint(self.tool)) from error

    def _attach(self, hook: Hook, program: int, symbols: KernelSymbols) -> int:
        if self.fentry:
            return self._object.attach_fentry(program)
        return self._object.attach_kprobe(program, hook.function, self.past_ftrace_site(hook, symbols))
