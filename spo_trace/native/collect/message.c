// SPDX-License-Identifier: LGPL-2.1-or-later
/* Messages, and text that is built without stdio, which would take more memory than the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"

bool write_all(int fd, const void *bytes, size_t size)
{
	while (size) {
		ssize_t done = write(fd, bytes, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes = (const char *)bytes + done;
		size -= done;
	}
	return true;
}

void put_flush(struct lines *lines)
{
	if (!write_all(lines->fd, lines->text, lines->used))
		die("the capture cannot be written: ", strerror(errno), "");
	lines->used = 0;
}

void put_bytes(struct lines *lines, const void *bytes, size_t size)
{
	lines->total += size;
	while (size) {
		size_t room = sizeof(lines->text) - lines->used;
		size_t part = size < room ? size : room;

		memcpy(lines->text + lines->used, bytes, part);
		lines->used += part;
		bytes = (const char *)bytes + part;
		size -= part;
		if (lines->used == sizeof(lines->text))
			put_flush(lines);
	}
}

void put(struct lines *lines, const char *text)
{
	put_bytes(lines, text, strlen(text));
}

void put_number(struct lines *lines, uint64_t number)
{
	char digits[20];
	char *p = digits + sizeof(digits);

	do {
		p--;
		*p = '0' + number % 10;
		number /= 10;
	} while (number);
	put_bytes(lines, p, digits + sizeof(digits) - p);
}

bool join_path(char *path, const char *directory, const char *name)
{
	size_t length = strlen(directory), more = strlen(name);

	if (length + more + 2 > PATH_BYTES)
		return false;
	memcpy(path, directory, length);
	path[length] = '/';
	memcpy(path + length + 1, name, more + 1);
	return true;
}

void warn(const char *first, const char *second, const char *third)
{
	struct lines lines = { .fd = STDERR_FILENO };

	put(&lines, "spo-collect: ");
	put(&lines, first);
	put(&lines, second);
	put(&lines, third);
	put(&lines, "\n");
	/* There is nobody to tell that messages cannot be written. */
	write_all(lines.fd, lines.text, lines.used);
}

_Noreturn void die(const char *first, const char *second, const char *third)
{
	warn(first, second, third);
	output_discard();
	/* Other threads may still be reading. */
	_exit(1);
}

/* The codes that sources/err_file.py knows. */
const char *errno_name(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return "ENOENT";
	case EACCES:
		return "EACCES";
	case EPERM:
		return "EPERM";
	case EINVAL:
		return "EINVAL";
	case ETIMEDOUT:
		return "ETIMEDOUT";
	case EIO:
		return "EIO";
	case ENOMEM:
		return "ENOMEM";
	case E2BIG:
		return "E2BIG";
	case EFBIG:
		return "EFBIG";
	default:
		return "UNKNOWN";
	}
}
