# SPDX-License-Identifier: LGPL-2.1-or-later
"""The BPF programs compiled and loaded by bcc, with the running kernel's headers."""

import re
from pathlib import Path

from spo_trace.memory.btf import Btf
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader.hooks import Hook
from spo_trace.probes.loader.messages import LoadRequest
from spo_trace.probes.loader.program import Program
from spo_trace.probes.loader.refusal import compile_problem, kprobe_problem, load_problem, report_hint

__all__ = ["BccProgram", "bcc_text"]

# bcc's forms of the helpers for maps. It does not translate them in macros.
_FORMS = (
    (r"bpf_map_lookup_elem\(&(\w+), ", r"\1.lookup("),
    (r"bpf_map_delete_elem\(&(\w+), ", r"\1.delete("),
    (r"bpf_map_update_elem\(&(\w+), ([^;]*?), BPF_ANY\)", r"\1.update(\2)"),
    (r"bpf_map_update_elem\(&(\w+), ([^;]*?), BPF_NOEXIST\)", r"\1.insert(\2)"),
    (r"bpf_get_stackid\(ctx, &(\w+), 0\)", r"\1.get_stackid(ctx, 0)"),
)


class BccProgram(Program):
    """Hold the programs that bcc has compiled."""

    def __init__(self, request: LoadRequest, hooks: "list[Hook]", *, fentry: bool) -> None:
        """Compile and load; with fentry, also attach. Raise Problem if that fails."""
        from bcc import BPF

        super().__init__(hooks, self.version(), fentry=fentry)
        text = bcc_text(Path(request["program"]), hooks)
        flags = [f"-DMAX_{name.upper()}={size}" for name, size in request["sizes"].items()]
        # Not BPF(…), to keep the object when its constructor fails: it has a `module` once everything is compiled.
        self._bpf = BPF.__new__(BPF)
        try:
            self._bpf.__init__(text=text, cflags=[*flags, *(["-DFENTRY"] if fentry else [])])
            self._peek = int(self._bpf.load_func("peek", BPF.RAW_TRACEPOINT).fd)
        except Exception as error:
            # bcc raises nothing more specific.
            if getattr(self._bpf, "module", None):
                raise load_problem(error, self.tool) from error
            raise compile_problem(error, self.tool, request["sizes"]["entries"]) from error
        attached = len(self._bpf.kfunc_entry_fds)
        if fentry and attached != len(hooks):
            raise Problem(f"bcc attached {attached} of {len(hooks)} programs", report_hint(self.tool))

    @staticmethod
    def version() -> str:
        """Return the name and version of bcc."""
        from bcc import __version__

        return f"bcc {__version__}"

    @staticmethod
    def btf(data: bytes) -> Btf:
        """Index the BTF of the kernel; raise ValueError or struct.error if it is none."""
        return Btf(data)

    @staticmethod
    def has_fentry(symbols: KernelSymbols) -> bool:
        """Return whether kernel and bcc support fentry."""
        from bcc import BPF

        return hasattr(BPF, "support_kfunc") and bool(BPF.support_kfunc())

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map."""
        return int(self._bpf[name].map_fd)

    def peek_fd(self) -> int:
        """Return the descriptor of the program `peek`."""
        return self._peek

    def program_fds(self) -> "list[int]":
        """Return the descriptors of the programs, with that of `peek`."""
        return [function.fd for function in self._bpf.funcs.values()]

    def link_fds(self) -> "list[int]":
        """Return the descriptors of the links."""
        kprobes = [fd for by_name in self._bpf.kprobe_fds.values() for fd in by_name.values()]
        return [*self._bpf.kfunc_entry_fds.values(), *kprobes]

    def attach(self, symbols: KernelSymbols) -> None:
        """Attach kprobes after the ftrace sites of the functions; bcc has attached those with fentry."""
        for hook in [] if self.fentry else self.hooks:
            offset = self.past_ftrace_site(hook, symbols)
            try:
                self._bpf.attach_kprobe(
                    event=hook.function.encode(), event_off=offset, fn_name=f"on_{hook.function}".encode()
                )
            except Exception as error:
                # bcc raises nothing more specific.
                raise kprobe_problem(hook.function, str(error), self.tool) from error


def bcc_text(source: Path, hooks: "list[Hook]") -> str:
    """Return the program in bcc's C, with a program for each hook."""
    text = source.read_text()
    for form, replacement in _FORMS:
        text = re.sub(form, replacement, text)
    return source.with_name("bcc.h").read_text() + text + "".join(f"{hook.source}\n" for hook in hooks)
