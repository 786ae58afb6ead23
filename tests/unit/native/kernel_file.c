// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * debugfs as the collector sees it: a copy of page_owner or swap_page_owner is read like the
 * kernel's file, one record for each read(2), at positions that are numbers. Linked with
 * --wrap=open,read,pread,lseek,fstat. The environment sets what goes wrong:
 *
 * FAKE_LARGE=N,N    these numbers do not fit the kernel's buffer (ENOMEM)
 * FAKE_ENOMEM=N     the first N reads fail (ENOMEM)
 * FAKE_EIO=N        reading the record with this number fails
 * FAKE_LOWEST=N     positions count from N and cannot be set (page_owner before Linux 6.1)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel_file.h"

#define MOST_FDS 64
#define MOST_RECORDS 200000

struct record {
	const char *text;
	size_t size;
	long long number;
};

struct file {
	char path[256];
	char *text;
	struct record *records;
	int count;
};

static struct file files[2];
static struct file *opened[MOST_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int failures = -1;

static long long value(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 0) : 0;
}

static bool is_large(long long number)
{
	const char *list = getenv("FAKE_LARGE");

	while (list && *list) {
		char *end;

		if (strtoll(list, &end, 0) == number)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

static long long number_in(const char *text, size_t size)
{
	char *copy = strndup(text, size);
	const char *found = strstr(copy, "\nPFN "), *entry = strstr(copy, "\nSWP entry ");
	long long number = found ? strtoll(found + 5, NULL, 0) :
			   entry ? strtoll(entry + 11, NULL, 0) : 0;

	free(copy);
	return number;
}

static void load(struct file *file, int fd)
{
	struct stat status;
	char *p, *next;

	__real_fstat(fd, &status);
	file->text = calloc(1, status.st_size + 1);
	file->records = calloc(MOST_RECORDS, sizeof(*file->records));
	if (__real_read(fd, file->text, status.st_size) != status.st_size)
		abort();
	__real_lseek(fd, 0, SEEK_SET);
	for (p = file->text; *p; p = next) {
		next = strstr(p, "\nPage allocated via ");
		next = next ? next + 1 : p + strlen(p);
		file->records[file->count++] =
			(struct record){ p, next - p, number_in(p, next - p) };
	}
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *name = strrchr(path, '/');
	struct file *file;
	va_list arguments;
	int fd, mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, int);
	va_end(arguments);
	fd = __real_open(path, flags, mode);
	if (fd < 0 || fd >= MOST_FDS || !name)
		return fd;
	opened[fd] = NULL;
	if (strcmp(name, "/page_owner") != 0 && strcmp(name, "/swap_page_owner") != 0)
		return fd;
	pthread_mutex_lock(&lock);
	file = &files[name[1] == 's'];
	if (!file->text)
		load(file, fd);
	opened[fd] = file;
	if (failures < 0)
		failures = value("FAKE_ENOMEM");
	pthread_mutex_unlock(&lock);
	return fd;
}

static const struct record *find(const struct file *file, off_t at)
{
	long long number = at + value("FAKE_LOWEST");

	for (int i = 0; i < file->count; i++)
		if (file->records[i].number >= number)
			return &file->records[i];
	return NULL;
}

static ssize_t get(const struct file *file, void *to, size_t size, off_t at, off_t *after)
{
	const struct record *record = find(file, at);

	if (failures > 0) {
		failures--;
		errno = ENOMEM;
		return -1;
	}
	if (!record)
		return 0;
	if (is_large(record->number) || record->size > size) {
		errno = ENOMEM;
		return -1;
	}
	if (getenv("FAKE_EIO") && record->number == value("FAKE_EIO")) {
		errno = EIO;
		return -1;
	}
	memcpy(to, record->text, record->size);
	*after = record->number + 1 - value("FAKE_LOWEST");
	return record->size;
}

ssize_t __wrap_read(int fd, void *to, size_t size)
{
	struct file *file = fd >= 0 && fd < MOST_FDS ? opened[fd] : NULL;
	off_t after = 0;
	ssize_t got;

	if (!file)
		return __real_read(fd, to, size);
	got = get(file, to, size, __real_lseek(fd, 0, SEEK_CUR), &after);
	if (got > 0)
		__real_lseek(fd, after, SEEK_SET);
	return got;
}

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at)
{
	off_t ignored;

	if (fd < 0 || fd >= MOST_FDS || !opened[fd])
		return __real_pread(fd, to, size, at);
	return get(opened[fd], to, size, at, &ignored);
}

off_t __wrap_lseek(int fd, off_t at, int whence)
{
	if (fd >= 0 && fd < MOST_FDS && opened[fd] && value("FAKE_LOWEST")) {
		errno = ESPIPE;
		return -1;
	}
	return __real_lseek(fd, at, whence);
}

int __wrap_fstat(int fd, struct stat *status)
{
	int result = __real_fstat(fd, status);

	if (fd >= 0 && fd < MOST_FDS && opened[fd])
		status->st_size = 0;
	return result;
}
