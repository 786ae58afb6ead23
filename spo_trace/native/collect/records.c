// SPDX-License-Identifier: LGPL-2.1-or-later
/* page_owner and swap_page_owner: their readers, and what they write into the capture. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../text.h"
#include "../scan.h"
#include "records.h"

#define ROOM_BYTES (PIECE_BYTES + SPO_PADDING)

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

void pack(struct reader *reader, const uint8_t *bytes, size_t size)
{
	if (!reader->packing)
		packer_begin(reader->packer, in_turn, reader);
	reader->packing = true;
	packer_add(reader->packer, bytes, size);
}

void pack_text(struct reader *reader)
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
