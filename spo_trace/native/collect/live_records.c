// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records out of debugfs, which returns one for each read(2). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"

/* Compressed at once: enough to amortise a call of zlib, and little memory. */
#define TEXT_BYTES (16 << 10)

/* 8f0efa81dfbc, 6.1: the file has .llseek. fdinfo has the position on every version. */
static int64_t position_of(int fd)
{
	int64_t position = lseek(fd, 0, SEEK_CUR);
	struct lines name = { 0 };
	char text[64] = "";
	ssize_t got = -1;
	int info;

	if (position >= 0)
		return position;
	put(&name, "/proc/self/fdinfo/");
	put_number(&name, fd);
	name.text[name.used] = 0;
	info = open(name.text, O_RDONLY | O_CLOEXEC);
	if (info >= 0) {
		got = read(info, text, sizeof(text) - 1);
		close(info);
	}
	if (got < 5 || memcmp(text, "pos:", 4) != 0)
		die("the position in page_owner is unknown", "", "");
	return strtoll(text + 4, NULL, 10);
}

static ssize_t next_record(struct reader *reader)
{
	uint8_t *room = reader->room + reader->used;
	ssize_t got;

	do {
		if (reader->by_position)
			got = pread(reader->fd, room, LONGEST_RECORD, reader->position);
		else
			got = read(reader->fd, room, LONGEST_RECORD);
	} while (got < 0 && errno == EINTR);
	return got;
}

/* What positions mean is known from the first record: 6.1 changed it for page_owner. */
static bool note_position(struct reader *reader, ssize_t got)
{
	int64_t number;

	if (reader->has_base && !reader->by_position)
		return true;
	if (!record_number(reader->job->kind, reader->room + reader->used, got, &number))
		return !reader->by_position;
	if (!reader->has_base)
		reader->base = number + 1 - position_of(reader->fd);
	reader->has_base = true;
	reader->position = number + 1 - reader->base;
	if (reader->lack.known < 0)
		reader->lack.known = 0;
	return true;
}

/* After ENOMEM: whether reading can go on; if not, why it stops. */
static bool go_on(struct reader *reader, int64_t end, enum stop *stop)
{
	int64_t position = reader->by_position ? reader->position : position_of(reader->fd);

	*stop = STOP_ERROR;
	switch (lack_pass(&reader->lack, reader->fd, reader->room + reader->used, &position, end)) {
	case LACK_PASSED:
		reader->lack.repeated++;
		return true;
	case LACK_LASTS:
		errno = ENOMEM;
		return false;
	case LACK_SKIPPED:
		break;
	}
	/* What is left of the range cannot be read. The record is in a later one. */
	if (position > end) {
		reader->next_pfn = end;
		if (end != LAST_POSITION)
			*stop = STOP_PAST;
		else if (reader->lack.known >= 0)
			*stop = STOP_END;
		errno = ENOMEM;
		return false;
	}
	if (lseek(reader->fd, position, SEEK_SET) < 0) {
		reader->by_position = true;
		reader->position = position;
		errno = ENOMEM;
		return reader->has_base;
	}
	return true;
}

/* Read records up to PFN `end`, exclusive. */
enum stop read_records(struct reader *reader, int64_t end)
{
	struct job *job = reader->job;

	for (;;) {
		ssize_t got = next_record(reader);

		if (got < 0 && errno != ENOMEM)
			return STOP_ERROR;
		if (got < 0) {
			enum stop stop;

			if (go_on(reader, end, &stop))
				continue;
			return stop;
		}
		if (got == 0)
			return STOP_END;
		if (end != LAST_POSITION) {
			int64_t position = lseek(reader->fd, 0, SEEK_CUR);

			/* After a record, the position is its PFN + 1. */
			if (position > end) {
				reader->next_pfn = position - 1;
				return STOP_PAST;
			}
		} else if (!note_position(reader, got)) {
			errno = ENOMEM;
			return STOP_ERROR;
		}
		if (job->handles == HANDLES_OF_COLLECTOR)
			got = stacks_replace(job->kind, reader->room + reader->used, got);
		reader->used += got;
		if (reader->used >= TEXT_BYTES)
			pack_text(reader);
	}
}
