# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory cgroup of a page, as print_page_owner_memcg() (mm/page_owner.c) prints it, and its path."""

from spo_trace.limits import MAX_CGROUP_LEVELS
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel

__all__ = ["MemcgLines"]

# cgroup_name() writes to char name[80].
_NAME_BYTES = 79
# NAME_MAX of linux/limits.h.
_LONGEST_NAME = 255
_UNKNOWN = b"memcg ?"


class MemcgLines:
    """Print the memory cgroups of pages."""

    def __init__(self, kernel: Kernel) -> None:
        """Find the structures; without CONFIG_MEMCG no line is ever printed."""
        types = kernel.types
        self._kernel = kernel
        enumerator, offset = types.btf.enumerator, types.btf.offset
        # 7.2: page->memcg_data of all pages refers to an obj_cgroup; before, only that of kernel memory.
        self._always_objcg = offset("obj_cgroup", "is_root") is not None
        # 6.12 and 7.2 have MEMCG_DATA_OBJEXTS, 6.1 has MEMCG_DATA_OBJCGS.
        extensions = enumerator("MEMCG_DATA_OBJEXTS")
        self._slab = (extensions if extensions is not None else enumerator("MEMCG_DATA_OBJCGS")) or 1
        self._kmem = enumerator("MEMCG_DATA_KMEM") or 2
        flags = enumerator("__NR_OBJEXTS_FLAGS") or enumerator("__NR_MEMCG_DATA_FLAGS") or 4
        self._pointer = (1 << 64) - flags if flags & flags - 1 == 0 else (1 << 64) - 8
        self._online = enumerator("CSS_ONLINE") or 2

    def text(self, memcg_data: int) -> bytes:
        """Return the lines of a head page's memcg_data, empty without a memory cgroup.

        Pages of one cgroup have equal ones. A cgroup that cannot be read has the name `?`. The last line is the
        cgroup's path, which no kernel prints.
        """
        if not memcg_data:
            return b""
        if memcg_data & self._slab:
            return b"Slab cache page\n"
        kmem = bool(memcg_data & self._kmem)
        try:
            charged, path = self._memcg(memcg_data, kmem)
        except Unreadable:
            # Charged to a memory cgroup that is not in the dump: not the same as charged to none.
            charged, path = _UNKNOWN, None
        if not charged:
            return b""
        line = b"Charged %bto %b\n" % (b"(via objcg) " if kmem else b"", charged)
        return line if path is None else b"%bMemory cgroup path: %b\n" % (line, path)

    def _memcg(self, memcg_data: int, kmem: bool) -> tuple[bytes, bytes | None]:
        """Return `memcg NAME` or `offline memcg NAME`, empty if there is none, and its path; raise Unreadable."""
        types, image = self._kernel.types, self._kernel.image
        memcg = memcg_data & self._pointer
        if kmem or self._always_objcg:
            memcg = image.u64(memcg + types.offset("obj_cgroup", "memcg"))
        if not memcg:
            return b"", None
        css = memcg + types.offset("mem_cgroup", "css")
        # The structures may have been freed and used for something else meanwhile, or left out of the dump as zeros.
        subsystem = self._kernel.symbols.find("memory_cgrp_subsys")
        if image.u64(css + types.offset("cgroup_subsys_state", "ss")) != subsystem:
            return _UNKNOWN, None
        online = image.u32(css + types.offset("cgroup_subsys_state", "flags")) & self._online
        cgroup = image.u64(css + types.offset("cgroup_subsys_state", "cgroup"))
        node = image.u64(cgroup + types.offset("cgroup", "kn"))
        names = self._names(node)
        name = names[-1] if names else self._name(node, _NAME_BYTES)
        path = b"/" + b"/".join(names[1:]) if names else None
        return b"%bmemcg %b" % (b"" if online else b"offline ", name[:_NAME_BYTES]), path

    def _names(self, node: int) -> list[bytes]:
        """Return the names from the root to a node, empty if one of them is unknown."""
        names: list[bytes] = []
        try:
            while node and len(names) <= MAX_CGROUP_LEVELS:
                names.insert(0, self._name(node, _LONGEST_NAME))
                node = self._parent(node)
        except Unreadable:
            return []
        return names if not node and names[0] == b"/" and b"?" not in names else []

    # kernfs_name(): the root's name is /.
    def _name(self, node: int, limit: int) -> bytes:
        if not self._parent(node):
            return b"/"
        image = self._kernel.image
        name = image.string(image.u64(node + self._kernel.types.offset("kernfs_node", "name")), limit)
        # A name with a newline is none of a cgroup (cgroup_mkdir()).
        return b"?" if not name or b"\n" in name else name

    # 7.2 has __parent, 6.12 has parent.
    def _parent(self, node: int) -> int:
        return self._kernel.image.u64(node + self._kernel.types.offset("kernfs_node", "parent", "__parent"))
