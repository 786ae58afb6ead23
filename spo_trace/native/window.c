// SPDX-License-Identifier: LGPL-2.1-or-later
/* A file's text, which passes through a buffer in windows that end where a record starts. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* pread */
#endif
#include <errno.h>
#include <unistd.h>

#include "text.h"
#include "window.h"

/* Read until the text has `wanted` bytes. The block ends where the file does, or at an error. */
static void read_until(struct spo_block *block, int64_t wanted)
{
	while (block->read < wanted) {
		ssize_t got = pread(block->fd, block->text + block->read,
				    (size_t)(wanted - block->read),
				    block->offset + block->start + block->read);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			block->error = got < 0 ? errno : 0;
			block->size = block->start + block->read;
			return;
		}
		block->read += got;
	}
}

/* The bytes before the last start of a record in the text; 0 if only the first byte is one. */
static int64_t bytes_of_whole_records(const struct spo_block *block)
{
	for (place p = block->text + block->read; p > block->text; p--)
		if (p[-1] == '\n' && starts_record(p))
			return p - block->text;
	return 0;
}

bool next_window(struct spo_block *block)
{
	int64_t done = block->whole - block->start;

	if (block->whole == block->size)
		return false;
	memmove(block->text, block->text + done, (size_t)(block->read - done));
	block->start = block->whole;
	block->read -= done;
	for (int64_t wanted = block->window; block->whole == block->start; wanted *= 2) {
		int64_t left = block->size - block->start;

		read_until(block, wanted < left ? wanted : left);
		memset(block->text + block->read, 0, SPO_PADDING);
		if (block->start + block->read == block->size)
			block->whole = block->size;
		else
			block->whole += bytes_of_whole_records(block);
		if (!block->read)
			return false;
	}
	return true;
}
