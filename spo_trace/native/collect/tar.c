// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A tar archive on standard output. A header has the size of its file: until that is known, the
 * file is kept in one without a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"

#define BLOCK 512
#define RECORD (20 * BLOCK)

static uint64_t written;

/* Return a file without a name for a member of the archive. */
int tar_file(void)
{
	static const char *const usual[] = { "/var/tmp", "/tmp" };
	const char *chosen = getenv("TMPDIR");
	char name[TEMPORARY_BYTES], path[PATH_BYTES];
	int fd = -1;

	for (int i = chosen ? -1 : 0; fd < 0 && i < 2; i++) {
		const char *directory = i < 0 ? chosen : usual[i];

		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			break;
		random_name(name);
		if (!join_path(path, directory, name))
			continue;
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		die("no temporary file: ", strerror(errno), "; name a directory in TMPDIR");
	return fd;
}

static void to_stdout(const void *bytes, size_t size)
{
	if (!write_all(STDOUT_FILENO, bytes, size))
		die("the archive cannot be written: ", strerror(errno), "");
	written += size;
}

/* Octal digits; a size of 8 GiB or more is written in binary, as GNU tar does. */
static void tar_number(char *field, size_t width, uint64_t number)
{
	if (number >> (3 * (width - 1))) {
		for (size_t i = width; i-- > 0; number >>= 8)
			field[i] = (char)number;
		field[0] = (char)0x80;
		return;
	}
	field[width - 1] = 0;
	for (size_t i = width - 1; i-- > 0; number >>= 3)
		field[i] = '0' + (number & 7);
}

static void tar_header(const char *name, uint64_t size)
{
	char header[BLOCK] = "spo-trace-capture/";
	unsigned int sum = 8 * ' ';

	memcpy(header + strlen(header), name, strlen(name));
	tar_number(header + 100, 8, 0600);
	tar_number(header + 108, 8, 0);
	tar_number(header + 116, 8, 0);
	tar_number(header + 124, 12, size);
	tar_number(header + 136, 12, time(NULL));
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (uint8_t)header[i];
	tar_number(header + 148, 7, sum);
	header[155] = ' ';
	to_stdout(header, BLOCK);
}

void tar_member(const char *name, int fd)
{
	static char buffer[16 * BLOCK];
	uint64_t left = lseek(fd, 0, SEEK_END);
	size_t padding = -left % BLOCK;

	tar_header(name, left);
	lseek(fd, 0, SEEK_SET);
	while (left) {
		ssize_t got = read(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die(name, ": a temporary file cannot be read: ", strerror(errno));
		to_stdout(buffer, got);
		left -= got;
	}
	memset(buffer, 0, padding);
	to_stdout(buffer, padding);
}

void tar_end(void)
{
	/* Two blocks of zeros are the end; more fill the record. */
	static const char end[2 * BLOCK + RECORD];

	to_stdout(end, RECORD - (written + 2 * BLOCK) % RECORD + 2 * BLOCK);
}
