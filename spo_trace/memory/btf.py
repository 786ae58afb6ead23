# SPDX-License-Identifier: LGPL-2.1-or-later
"""BTF (/sys/kernel/btf/vmlinux): the member offsets of a kernel's structures, and the functions that it lists."""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property

from spo_trace.limits import MAX_BTF_DEPTH

__all__ = ["STRUCT", "UNION", "Btf"]

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MAGIC = 0xEB9F

_INT, _PTR, _ARRAY, STRUCT, UNION, _ENUM, _FUNC, _FUNC_PROTO, _VAR, _DATASEC, _DECL_TAG, _ENUM64 = (
    1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 17, 19,
)  # fmt: skip

# Other names of a type: typedef, volatile, const, restrict, type tag.
_NAMES = (8, 9, 10, 11, 18)
_POINTER_BYTES = 8

# 32-bit words of a type of each kind, and those that follow for each of its vlen members.
_WORDS = [3 + {_INT: 1, _ARRAY: 3, _VAR: 1, _DECL_TAG: 1}.get(kind, 0) for kind in range(32)]
_EACH = [{STRUCT: 3, UNION: 3, _ENUM: 2, _FUNC_PROTO: 2, _DATASEC: 3, _ENUM64: 3}.get(kind, 0) for kind in range(32)]


class Btf:
    """Look up members by name, also inside anonymous structures and unions; offsets are in bytes."""

    def __init__(self, data: bytes) -> None:
        """Index the BTF `data`; raise ValueError if it is not BTF."""
        magic, _, _, header, type_start, type_size, string_start, _ = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise ValueError("not BTF")
        self._data = data
        self._strings = header + string_start
        # Positions of types, which are numbered from 1; 0 is void. Lists of 100,000 numbers would take megabytes.
        self._at = array("I", [0])
        self._structs, self._enums, self._functions = array("I"), array("I"), array("I")
        self._found: dict[str, int | None] = {}
        self._by_name: dict[int, dict[int, int]] = {}
        self._index(header + type_start, header + type_start + type_size)

    def has_function(self, name: str) -> bool:
        """Return whether there is a function with this name."""
        return self._named(name, _FUNC) is not None

    def size(self, name: str) -> int | None:
        """Return the size of struct or union `name`, None if there is none."""
        position = self._struct(name)
        return None if position is None else int(_TYPE.unpack_from(self._data, position)[2])

    def offset(self, name: str, member: str) -> int | None:
        """Return the offset of `member` in struct or union `name`, None if there is no such member."""
        position = self._struct(name)
        bits = None if position is None else self._bits(position, member)
        return None if bits is None else bits // 8

    def bit_field(self, name: str, member: str) -> tuple[int, int] | None:
        """Return the first bit of a bit field in struct or union `name`, and its number of bits, None if it is none."""
        position = self._struct(name)
        found = None if position is None else self._find(position, member)
        return None if found is None or not found[1] else found[:2]

    def length(self, name: str, member: str) -> int | None:
        """Return the number of elements of an array that is a member of struct or union `name`, None if it is none."""
        position = self._struct(name)
        found = None if position is None else self._find(position, member)
        if found is None or self._kind(self._position(found[2])) != _ARRAY:
            return None
        return int(struct.unpack_from("<III", self._data, self._position(found[2]) + 12)[2])

    def member_size(self, name: str, member: str) -> int | None:
        """Return the size of a member of struct or union `name`; None for an array, or if there is no such member."""
        position = self._struct(name)
        found = None if position is None else self._find(position, member)
        at = None if found is None else self._position(found[2])
        for _ in range(MAX_BTF_DEPTH):
            if at is None or self._kind(at) == _ARRAY:
                return None
            size_or_type = int(_TYPE.unpack_from(self._data, at)[2])
            if self._kind(at) not in _NAMES:
                return _POINTER_BYTES if self._kind(at) == _PTR else size_or_type
            at = self._position(size_or_type)
        return None

    def enumerator(self, name: str) -> int | None:
        """Return the value of an enumerator of the 32-bit enums, None if there is none."""
        return self._search(name, self._values)

    def enumerator_of(self, enum: str, name: str) -> int | None:
        """Return the value of an enumerator of the 32-bit enum `enum`, None if there is none; this takes less time."""
        position = self._named(enum, _ENUM)
        found = () if position is None else self._enumerators(position)
        return next((value for name_at, value in found if self._text(name_at) == name), None)

    # A kernel has 100,000 types, of which few are looked up: names are read only then.
    def _index(self, start: int, end: int) -> None:
        words = array("I", self._data[start : start + (end - start) // 4 * 4])
        if sys.byteorder == "big":
            words.byteswap()
        by_kind = {STRUCT: self._structs, UNION: self._structs, _ENUM: self._enums, _FUNC: self._functions}
        lists = [by_kind.get(kind) for kind in range(32)]
        sizes, each, add = _WORDS, _EACH, self._at.append
        at, count = 0, len(words)
        while at + 2 < count:
            info = words[at + 1]
            kind = info >> 24 & 31
            add(position := start + 4 * at)
            if (found := lists[kind]) is not None:
                found.append(position)
            at += sizes[kind]
            if info & 0xFFFF:
                at += each[kind] * (info & 0xFFFF)
        if at != count:
            raise ValueError("BTF ends within a type")

    # The first struct or union of a name that has members.
    def _struct(self, name: str) -> int | None:
        if name not in self._found:
            self._found[name] = self._named(name, STRUCT)
        return self._found[name]

    # The position of a struct or union that has members, of an enum or of a function.
    def _named(self, name: str, kind: int) -> int | None:
        if kind not in self._by_name:
            positions = {STRUCT: self._structs, _ENUM: self._enums, _FUNC: self._functions}[kind]
            self._by_name[kind] = self._names_of(positions, empty=kind == _FUNC)
        return self._search(name, self._by_name[kind])

    # A string may be there more than once; none is the end of another.
    def _search(self, name: str, values: dict[int, int]) -> int | None:
        wanted = b"\0%b\0" % name.encode()
        at = self._data.find(wanted, self._strings)
        while at >= 0:
            value = values.get(at + 1 - self._strings)
            if value is not None:
                return value
            at = self._data.find(wanted, at + 1)
        return None

    # Enumerators by the offsets of their names; the first of a name counts.
    @cached_property
    def _values(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for position in reversed(self._enums):
            found.update(self._enumerators(position))
        return found

    # The offset of the name, and the value.
    def _enumerators(self, position: int) -> Iterator[tuple[int, int]]:
        vlen = _TYPE.unpack_from(self._data, position)[1] & 0xFFFF
        return struct.iter_unpack("<Ii", self._data[position + 12 : position + 12 + 8 * vlen])

    # Types by the offsets of their names; those without members count only if `empty`.
    def _names_of(self, positions: Iterable[int], *, empty: bool) -> dict[int, int]:
        found: dict[int, int] = {}
        for position in positions:
            name_at, info, _ = _TYPE.unpack_from(self._data, position)
            if name_at and (empty or info & 0xFFFF):
                found.setdefault(name_at, position)
        return found

    def _bits(self, position: int, member: str) -> int | None:
        found = self._find(position, member)
        return None if found is None else found[0]

    def _find(self, position: int, member: str, depth: int = 0) -> tuple[int, int, int] | None:
        """Return a member's first bit, its number of bits if it is a bit field (else 0), and its type."""
        if depth > MAX_BTF_DEPTH:
            raise ValueError("BTF: structures contain each other")
        info = _TYPE.unpack_from(self._data, position)[1]
        for number in range(info & 0xFFFF):
            name_at, type_id, offset = _TYPE.unpack_from(self._data, position + 12 + 12 * number)
            # With kind_flag set, the upper byte is the size of a bit field.
            at, width = (offset & 0xFFFFFF, offset >> 24) if info >> 31 else (offset, 0)
            if self._text(name_at) == member:
                return at, width, type_id
            if not name_at and self._kind(self._position(type_id)) in (STRUCT, UNION):
                inner = self._find(self._position(type_id), member, depth + 1)
                if inner is not None:
                    return at + inner[0], inner[1], inner[2]
        return None

    def _position(self, type_id: int) -> int:
        return self._at[type_id]

    def _kind(self, position: int) -> int:
        return int(_TYPE.unpack_from(self._data, position)[1]) >> 24 & 0x1F

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._data[start : self._data.index(b"\0", start)].decode()
