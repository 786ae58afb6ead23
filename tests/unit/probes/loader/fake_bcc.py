# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for bcc."""

from typing import Any, ClassVar

__all__ = ["FakeBpf"]


class FakeBpf:
    """Stand in for bcc's BPF: fail as set, or record the calls."""

    RAW_TRACEPOINT = 17
    fails = ""
    has_fentry = True
    funcs: ClassVar[dict[str, Any]] = {}
    kprobe_fds: ClassVar[dict[str, Any]] = {}
    left_out = 0
    made: ClassVar[list[Any]] = []

    def __init__(self, text: str, cflags: list[str]) -> None:
        if self.fails.startswith("Failed to compile"):
            raise Exception(self.fails)
        self.module = 1
        if self.fails.startswith("Failed to"):
            raise Exception(self.fails)
        self.text, self.cflags = text, cflags
        hooks = text.count("HOOK(") if "-DFENTRY" in cflags else 0
        self.kfunc_entry_fds = {f"kfunc__{number}": number for number in range(hooks - self.left_out)}
        self.attached: list[tuple[bytes, int, bytes]] = []
        FakeBpf.made.append(self)

    def __getitem__(self, name: str) -> Any:
        return type("Table", (), {"map_fd": 3})

    @staticmethod
    def support_kfunc() -> bool:
        return FakeBpf.has_fentry

    def load_func(self, name: str, kind: int) -> Any:
        return type("Function", (), {"fd": 4})

    def attach_kprobe(self, event: bytes, event_off: int, fn_name: bytes) -> None:
        if self.fails == event.decode():
            raise Exception("it's not traceable")
        self.attached.append((event, event_off, fn_name))
