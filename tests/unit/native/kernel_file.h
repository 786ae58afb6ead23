/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the linker calls in place of these functions (--wrap), and the functions themselves. */
#ifndef SPO_KERNEL_FILE_H
#define SPO_KERNEL_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __real_pread(int fd, void *to, size_t size, off_t at);
off_t __real_lseek(int fd, off_t at, int whence);
int __real_fstat(int fd, struct stat *status);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *to, size_t size);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at);
off_t __wrap_lseek(int fd, off_t at, int whence);
int __wrap_fstat(int fd, struct stat *status);

#endif
