# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/swaps out of kernel memory (swap_show(), mm/swapfile.c)."""

from spo_trace.limits import MAX_FILE_NAME_BYTES, MAX_SWAP_AREAS
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem

__all__ = ["swap_areas_text"]

_SWP_USED = 1
# SWAP_USAGE_OFFLIST_BIT of linux/swap.h: bit 30 of an inuse_pages that is an atomic_long_t (seen on 7.2).
_OFFLIST = 1 << 30
_S_IFMT, _S_IFBLK = 0o170000, 0o060000
_MAX_PAGES = 1 << 40
_MAX_DIRECTORIES = 64


def swap_areas_text(kernel: Kernel, page_size: int) -> bytes:
    """Return the text; raise Problem if a swap area cannot be read."""
    types, image = kernel.types, kernel.image
    table = kernel.symbols.address("swap_info")
    count = image.u32(kernel.symbols.address("nr_swapfiles"))
    if count > MAX_SWAP_AREAS:
        raise Problem("the kernel's list of swap areas is damaged", "take another dump")
    lines = [b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"]
    for number in range(count):
        area = image.u64(table + 8 * number)
        if area and image.u64(area + types.offset("swap_info_struct", "flags")) & _SWP_USED:
            lines.append(_line(kernel, area, page_size))
    return b"".join(lines)


def _line(kernel: Kernel, area: int, page_size: int) -> bytes:
    types, image = kernel.types, kernel.image
    file = image.u64(area + types.offset("swap_info_struct", "swap_file"))
    inode = image.u64(file + types.offset("file", "f_inode"))
    mode = image.u32(inode + types.offset("inode", "i_mode")) & _S_IFMT
    pages = image.u32(area + types.offset("swap_info_struct", "pages"))
    used = _used(kernel, area)
    # A structure that a filter left out of the dump reads as zeros; a swap area has a name and pages.
    if not pages or used > pages:
        raise Problem("a swap area is not in the dump", "take a dump without filtering kernel pages")
    priority = image.u32(area + types.offset("swap_info_struct", "prio")) & 0xFFFF
    name = _path(kernel, file + types.offset("file", "f_path", "__f_path"))
    return b"%-40b%b\t%d\t\t%d\t\t%d\n" % (
        name,
        b"partition" if mode == _S_IFBLK else b"file",
        pages * page_size >> 10,
        used * page_size >> 10,
        priority - (1 << 16) if priority >> 15 else priority,
    )


def _used(kernel: Kernel, area: int) -> int:
    types = kernel.types
    at = area + types.offset("swap_info_struct", "inuse_pages")
    if types.btf.member_size("swap_info_struct", "inuse_pages") == 4:
        return kernel.image.u32(at)
    return kernel.image.u64(at) & ~_OFFLIST


# d_path(): up the directories, and from the root of each mount on at its mount point.
def _path(kernel: Kernel, path: int) -> bytes:
    types, image = kernel.types, kernel.image
    mount = image.u64(path + types.offset("path", "mnt")) - types.offset("mount", "mnt")
    entry = image.u64(path + types.offset("path", "dentry"))
    names: list[bytes] = []
    for _ in range(_MAX_DIRECTORIES):
        root = image.u64(mount + types.offset("mount", "mnt") + types.offset("vfsmount", "mnt_root"))
        parent = image.u64(mount + types.offset("mount", "mnt_parent"))
        above = image.u64(entry + types.offset("dentry", "d_parent"))
        if entry == root and parent != mount:
            entry, mount = image.u64(mount + types.offset("mount", "mnt_mountpoint")), parent
        elif entry in (root, above):
            break
        else:
            at = image.u64(entry + types.offset("dentry", "d_name") + types.offset("qstr", "name"))
            names.append(image.string(at, MAX_FILE_NAME_BYTES))
            entry = above
    return b"/" + b"/".join(map(_escaped, reversed(names)))


def _escaped(name: bytes) -> bytes:
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\" else bytes([byte]) for byte in name)
