// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * page_owner and swap_page_owner. debugfs returns one record for each read(2); a copied file is cut
 * at the lines that begin a record.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../text.h"
#include "../scan.h"
#include "records.h"

/* Compressed at once: enough to amortise a call of zlib, and little memory. */
#define TEXT_BYTES (16 << 10)

/* A copied file is read in pieces of this size. Twice the longest record that is changed. */
#define PIECE_BYTES (2 * LONGEST_RECORD)

#define ROOM_BYTES (PIECE_BYTES + SPO_PADDING)

/* "\nPage allocated via " is shorter. */
#define SEPARATOR_BYTES 32

/* A position after it fits in an off_t, too. */
#define LAST_POSITION (INT64_MAX - 1)

/* As in limits.py, which gives the reason. */
#define MAX_ENOMEM_US 30000000

static void in_turn(void *context, const void *bytes, size_t size)
{
	struct reader *reader = context;

	wait_turn(reader);
	gzip_write(&reader->job->file, bytes, size);
	reader->job->written += size;
	progress_at(reader->job->name, reader->by_position ? reader->position :
							     lseek(reader->fd, 0, SEEK_CUR));
}

static void pack(struct reader *reader, const uint8_t *bytes, size_t size)
{
	if (!reader->packing)
		packer_begin(reader->packer, in_turn, reader);
	reader->packing = true;
	packer_add(reader->packer, bytes, size);
}

static void pack_text(struct reader *reader)
{
	if (reader->used)
		pack(reader, reader->room, reader->used);
	reader->used = 0;
}

void pack_end(struct reader *reader)
{
	pack_text(reader);
	if (reader->packing)
		packer_end(reader->packer);
	reader->packing = false;
}

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

/* Pass on the records in the room that are complete; return where the rest begins. */
static size_t pack_records(struct reader *reader, size_t size, bool at_end, bool *in_middle)
{
	struct job *job = reader->job;
	uint8_t *p = reader->room, *end = p + size;

	while (p < end) {
		uint8_t *next = (uint8_t *)next_start(p, end);
		size_t length = next - p;

		if (next == end && !at_end) {
			if (p > reader->room || size < PIECE_BYTES)
				break;
			/* It is too long. Its last bytes may be the beginning of another. */
			pack(reader, p, size - SEPARATOR_BYTES);
			*in_middle = true;
			return size - SEPARATOR_BYTES;
		}
		if (!*in_middle && starts_record(p) && job->handles == HANDLES_OF_COLLECTOR)
			length = stacks_replace(job->kind, p, length);
		*in_middle = false;
		pack(reader, p, length);
		p = next;
	}
	return p - reader->room;
}

static enum stop read_copy(struct reader *reader)
{
	bool at_end = false, in_middle = false;
	size_t size = 0;

	while (!at_end) {
		ssize_t got = read(reader->fd, reader->room + size, PIECE_BYTES - size);
		size_t done;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return STOP_ERROR;
		if (!size && !reader->packing && prints_handle(reader->room, got))
			reader->job->handles = HANDLES_OF_KERNEL;
		at_end = got == 0;
		size += got;
		memset(reader->room + size, 0, SPO_PADDING);
		done = pack_records(reader, size, at_end, &in_middle);
		size -= done;
		memmove(reader->room, reader->room + done, size);
	}
	return STOP_END;
}

void note_stop(struct reader *reader, enum stop stop)
{
	struct job *job = reader->job;
	int error = errno;

	pthread_mutex_lock(&job->lock);
	if (stop == STOP_ERROR && !job->error)
		job->error = error;
	if (stop != STOP_PAST)
		job->ended = true;
	/* Skip the hole: otherwise the kernel would search it again for each range. */
	if (stop == STOP_PAST && reader->next_pfn > job->start)
		job->start = reader->next_pfn;
	pthread_mutex_unlock(&job->lock);
}

struct reader *new_reader(struct job *job, int fd)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		die("out of memory", "", "");
	reader->room = calloc(1, ROOM_BYTES);
	if (!reader->room)
		die("out of memory", "", "");
	reader->job = job;
	reader->fd = fd;
	reader->packer = packer_new();
	reader->lack = (struct lack){ .known = -1, .left_us = MAX_ENOMEM_US };
	return reader;
}

void free_reader(struct reader *reader)
{
	reader->job->too_large += reader->lack.too_large;
	reader->job->repeated += reader->lack.repeated;
	close(reader->fd);
	packer_free(reader->packer);
	free(reader->room);
	free(reader);
}

static void read_all(struct reader *reader)
{
	enum stop stop;
	struct stat status;

	/* Files in debugfs have size 0. */
	if (fstat(reader->fd, &status) == 0 && status.st_size)
		stop = read_copy(reader);
	else
		stop = read_records(reader, LAST_POSITION);
	note_stop(reader, stop);
	/* A file without records has a member, too. */
	if (!reader->packing)
		pack(reader, NULL, 0);
	pack_end(reader);
}

static bool kernel_prints_handles(int fd, uint8_t *room)
{
	ssize_t got = pread(fd, room, LONGEST_RECORD, 0);

	return got > 0 && prints_handle(room, got);
}

static void note_problems(const struct job *job, const char *name)
{
	struct lines text = { 0 };

	if (job->error == ENOMEM) {
		output_error(name, ENOMEM, NULL,
			     "the kernel ran out of memory (ENOMEM) and did not recover");
	} else if (job->error) {
		output_error(name, job->error, job->path, NULL);
	} else if (job->too_large) {
		put_number(&text, job->too_large);
		put(&text, " records do not fit the kernel's buffer");
		output_error(name, E2BIG, NULL, text.text);
	}
}

/* Copy a file of records. Return whether it could be read at all; `handles`: whose it has. */
bool records_copy(const struct options *options, enum record_kind kind, const char *path,
		  enum handles_of *handles)
{
	const char *name = kind == PAGE_RECORD ? "page_owner" : "swap_page_owner";
	struct job job = {
		.name = name,
		.path = path,
		.kind = kind,
		.handles = *handles,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.turned = PTHREAD_COND_INITIALIZER,
	};
	struct reading reading;
	struct reader *reader;
	bool kept;
	int fd = open_regular(path);

	if (fd < 0) {
		output_error(name, errno, path, NULL);
		return false;
	}
	reading = progress_begin(name);
	gzip_begin(&job.file, name);
	reader = new_reader(&job, fd);
	if (kind == PAGE_RECORD && kernel_prints_handles(fd, reader->room))
		job.handles = HANDLES_OF_KERNEL;
	if (kind == PAGE_RECORD && options->readers > 1 && positions_are_pfns(fd, reader->room))
		read_in_ranges(&job, reader, options->readers);
	else
		read_all(reader);
	free_reader(reader);
	/* The first 20 bytes are those of an empty member. */
	kept = !job.error || job.written > 20;
	gzip_end(&job.file, kept);
	note_problems(&job, name);
	progress_end(&reading, job.repeated);
	*handles = job.handles;
	return kept;
}
