# SPDX-License-Identifier: LGPL-2.1-or-later
"""BTF that libbpf has indexed: of 100,000 types, Python would look at each for the few that are wanted."""

import ctypes
import os

from spo_trace.memory.btf import STRUCT, UNION, Btf
from spo_trace.probes.loader.libbpf import Libbpf

__all__ = ["LibbpfBtf"]


class LibbpfBtf(Btf):
    """Look up types with libbpf, and their members as `Btf` does; `enumerator` is not supported."""

    def __init__(self, libbpf: Libbpf, data: bytes) -> None:
        """Have libbpf index the BTF `data`; raise ValueError if it is not BTF."""
        self._call = libbpf.call
        super().__init__(data)

    # libbpf keeps the types in their order: the difference of two addresses is that of their positions.
    def _index(self, start: int, end: int) -> None:
        self._btf = self._call.btf__new(self._data, len(self._data))
        if not self._btf:
            raise ValueError(os.strerror(ctypes.get_errno()))
        self._base = int(self._call.btf__type_by_id(self._btf, 1) or 0) - start

    def _named(self, name: str, kind: int) -> int | None:
        for one in (STRUCT, UNION) if kind == STRUCT else (kind,):
            found = self._call.btf__find_by_name_kind(self._btf, name.encode(), one)
            if found > 0:
                return self._position(found)
        return None

    def _position(self, type_id: int) -> int:
        return int(self._call.btf__type_by_id(self._btf, type_id)) - self._base
