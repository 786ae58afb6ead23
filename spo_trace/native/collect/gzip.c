// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Large files, compressed while they are written: by zlib where it is linked in, else by gzip, else
 * not at all. What is written leaves the page cache soon, because its pages would be listed, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef SPO_ZLIB
#include <zlib.h>
#endif

#include "collect.h"

/* Of a file, so much may be in the page cache, twice. */
#define CACHED_BYTES (256 << 10)

/*
 * Text of one gzip member. With more than twice its window (64 KiB), zlib would move its window and
 * update all its tables for every 32 KiB, which takes more than a third of all instructions.
 */
#define MEMBER_BYTES 60000

/* Enough for the compressed text of a range of PFNs (records.c). */
#define PACKED_BYTES (96 << 10)

#define LEVEL 1
#define GZIP_WINDOW (15 + 16)
#define MEMORY_LEVEL 8

static const char *gzip_program(void)
{
#ifndef SPO_ZLIB
	static const char *const paths[] = { "/usr/bin/gzip", "/bin/gzip" };

	for (int i = 0; i < 2; i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
#endif
	return NULL;
}

const char *gzip_suffix(void)
{
#ifdef SPO_ZLIB
	return ".gz";
#else
	return gzip_program() ? ".gz" : "";
#endif
}

/* gzip reads from the pipe that is returned. */
static int start_gzip(struct archive_file *file, const char *program)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("no pipe to gzip: ", strerror(errno), "");
	file->child = fork();
	if (file->child < 0)
		die("gzip cannot be started: ", strerror(errno), "");
	if (file->child == 0) {
		dup2(ends[0], STDIN_FILENO);
		dup2(file->fd, STDOUT_FILENO);
		execl(program, program, "-1", "-n", (char *)NULL);
		_exit(127);
	}
	progress_child(file->child);
	close(ends[0]);
	return ends[1];
}

void gzip_begin(struct archive_file *file, const char *name)
{
	const char *suffix = gzip_suffix(), *program = gzip_program();
	char whole[64];
	size_t length = strlen(name);

	if (length + sizeof(".gz") > sizeof(whole))
		die(name, ": too long a name", "");
	memcpy(whole, name, length);
	memcpy(whole + length, suffix, strlen(suffix) + 1);
	*file = (struct archive_file){ .fd = output_begin(whole) };
	file->into = program ? start_gzip(file, program) : file->fd;
}

/* A file that is not compressed. */
void plain_begin(struct archive_file *file, const char *name)
{
	*file = (struct archive_file){ .fd = output_begin(name) };
	file->into = file->fd;
}

/* Without an error: a file system may not support it, and it only saves memory. */
static void forget(struct archive_file *file)
{
	off_t size = lseek(file->fd, 0, SEEK_CUR);

	if (size - file->synced < CACHED_BYTES)
		return;
	sync_file_range(file->fd, file->synced, size - file->synced,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(file->fd, 0, size, POSIX_FADV_DONTNEED);
	file->synced = size;
}

void gzip_write(void *file, const void *bytes, size_t size)
{
	struct archive_file *to = file;

	if (!write_all(to->into, bytes, size))
		die("the capture cannot be written: ", strerror(errno), "");
	forget(to);
}

void gzip_end(struct archive_file *file, bool kept)
{
	int status = 0;

	if (file->child) {
		close(file->into);
		while (waitpid(file->child, &status, 0) < 0 && errno == EINTR)
			;
		if (status)
			die("gzip failed: is the disk full?", "", "");
	}
	output_end(file->fd, kept);
}

struct packer {
	pack_sink sink;
	void *context;
#ifdef SPO_ZLIB
	z_stream zlib;
	size_t member_bytes;
	uint8_t packed[PACKED_BYTES];
#endif
};

struct packer *packer_new(void)
{
	struct packer *packer = calloc(1, sizeof(*packer));

	if (!packer)
		die("out of memory", "", "");
#ifdef SPO_ZLIB
	if (deflateInit2(&packer->zlib, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		die("out of memory", "", "");
#endif
	return packer;
}

void packer_begin(struct packer *packer, pack_sink sink, void *context)
{
	packer->sink = sink;
	packer->context = context;
#ifdef SPO_ZLIB
	deflateReset(&packer->zlib);
	packer->member_bytes = 0;
	packer->zlib.next_out = packer->packed;
	packer->zlib.avail_out = PACKED_BYTES;
#endif
}

#ifdef SPO_ZLIB
static void drain(struct packer *packer)
{
	packer->sink(packer->context, packer->packed, PACKED_BYTES - packer->zlib.avail_out);
	packer->zlib.next_out = packer->packed;
	packer->zlib.avail_out = PACKED_BYTES;
}

static void end_member(struct packer *packer)
{
	while (deflate(&packer->zlib, Z_FINISH) != Z_STREAM_END)
		drain(packer);
	deflateReset(&packer->zlib);
	packer->member_bytes = 0;
}
#endif

void packer_add(struct packer *packer, const void *bytes, size_t size)
{
#ifdef SPO_ZLIB
	if (packer->member_bytes && packer->member_bytes + size > MEMBER_BYTES)
		end_member(packer);
	packer->member_bytes += size;
	packer->zlib.next_in = (uint8_t *)bytes;
	packer->zlib.avail_in = size;
	while (packer->zlib.avail_in) {
		deflate(&packer->zlib, Z_NO_FLUSH);
		if (!packer->zlib.avail_out)
			drain(packer);
	}
#else
	packer->sink(packer->context, bytes, size);
#endif
}

void packer_end(struct packer *packer)
{
#ifdef SPO_ZLIB
	end_member(packer);
	drain(packer);
#endif
	packer->sink = NULL;
}

void packer_free(struct packer *packer)
{
#ifdef SPO_ZLIB
	deflateEnd(&packer->zlib);
#endif
	free(packer);
}
