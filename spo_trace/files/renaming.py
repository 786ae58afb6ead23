# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rename without replacing anything, and exchange two names in one step."""

import ctypes
import errno
import os

from spo_trace.files.descriptors import exists, hidden_name

__all__ = ["exchange", "rename_new"]

# linux/fs.h
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

# NFS and 9p do not support the flags (EINVAL); gVisor and kernels before 3.15 do not have the call (ENOSYS).
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS)

_libc = ctypes.CDLL(None, use_errno=True)


def rename_new(old: str, new: str, parent: int) -> None:
    """Rename `old` to `new`, both in the open directory `parent`; raise FileExistsError if `new` exists."""
    try:
        _renameat2(old, new, parent, _RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _rename_new_without_flags(old, new, parent)


# link(2) never replaces. Directories, and file systems without hard links, leave only rename(2) after a check: in
# between, a directory can replace only an empty directory, but a file can replace a file.
def _rename_new_without_flags(old: str, new: str, parent: int) -> None:
    try:
        os.link(old, new, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        if exists(new, parent):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new) from None
        os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)
    else:
        os.unlink(old, dir_fd=parent)


def exchange(first: str, second: str, parent: int) -> None:
    """Exchange two names in the open directory `parent`; both exist at any time.

    Without RENAME_EXCHANGE (see _UNSUPPORTED) it takes three renames: if the process is killed between them, what
    `second` was is found under a hidden name.
    """
    try:
        _renameat2(first, second, parent, _RENAME_EXCHANGE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _exchange_in_steps(first, second, parent)


def _exchange_in_steps(first: str, second: str, parent: int) -> None:
    aside = hidden_name()
    os.rename(second, aside, src_dir_fd=parent, dst_dir_fd=parent)
    try:
        os.rename(first, second, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.rename(aside, second, src_dir_fd=parent, dst_dir_fd=parent)
        raise
    os.rename(aside, first, src_dir_fd=parent, dst_dir_fd=parent)


# Python has no function for it. glibc has it since 2.28, musl since 1.2.4.
def _renameat2(old: str, new: str, parent: int, flags: int) -> None:
    function = getattr(_libc, "renameat2", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(parent, os.fsencode(old), parent, os.fsencode(new), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)
