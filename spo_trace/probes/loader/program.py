# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loaded BPF programs, whatever loaded them: read kernel memory with one, attach and start the others."""

import struct
from abc import ABC, abstractmethod
from functools import cached_property

from spo_trace.memory.layout import Layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes import bpf_maps
from spo_trace.probes.loader.hooks import Hook, past_ftrace_site
from spo_trace.probes.loader.refusal import report_hint

__all__ = ["MAPS", "TRAMPOLINE", "Program"]

# The maps that the process with the probes reads.
MAPS = ("entries", "restored", "stacks", "events", "callers", "counters", "layouts")

# Kernels that have BPF trampolines, which fentry needs besides BTF, have this function.
TRAMPOLINE = "bpf_trampoline_link_prog"


class Program(ABC):
    """Hold the programs of bpf/swap_owner.c, loaded for some hooks."""

    def __init__(self, hooks: "list[Hook]", tool: str, *, fentry: bool) -> None:
        """Keep what was loaded; `tool`: the name and version of what loaded it."""
        self.hooks = hooks
        self.tool = tool
        self.fentry = fentry

    @abstractmethod
    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map."""

    @abstractmethod
    def peek_fd(self) -> int:
        """Return the descriptor of the program `peek`."""

    @abstractmethod
    def program_fds(self) -> "list[int]":
        """Return the descriptors of the programs of the hooks."""

    @abstractmethod
    def link_fds(self) -> "list[int]":
        """Return the descriptors of the links that keep the programs attached."""

    @abstractmethod
    def attach(self, symbols: KernelSymbols) -> None:
        """Attach the programs that are not attached yet."""

    def descriptors(self) -> "list[int]":
        """Return the descriptors of the maps of MAPS, of the programs, and of the links."""
        return [*map(self.map_fd, MAPS), *self.program_fds(), *self.link_fds()]

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes (at most 256) of kernel memory; raise Problem if they cannot be read."""
        program, peeked = self._reader
        failed = bpf_maps.run_program(program, struct.pack("=QQ", address, size))
        raw = bpf_maps.lookup(peeked, struct.pack("=I", 0), 256)
        if failed or raw is None:
            raise Problem(f"kernel memory at {address:#x} cannot be read", report_hint(self.tool))
        return raw[:size]

    # Hundreds of reads need them.
    @cached_property
    def _reader(self) -> "tuple[int, int]":
        return self.peek_fd(), self.map_fd("peeked")

    def u64(self, address: int) -> int:
        """Return a 64-bit word."""
        return int(struct.unpack("=Q", self.read(address, 8))[0])

    def past_ftrace_site(self, hook: Hook, symbols: KernelSymbols) -> int:
        """Return the offset in the function of a hook at which a kprobe may be."""
        return past_ftrace_site(self.read(symbols.address(hook.function), 9))

    def start(self, layout: Layout) -> None:
        """Enable the attached programs."""
        layout.ready = 1
        bpf_maps.update(self.map_fd("layouts"), struct.pack("=I", 0), layout.pack())
