// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Several readers of page_owner: each takes a range of PFNs, and writes it when those before it are
 * written, as members of the gzip file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "records.h"

/* PFNs of a range: its compressed text fits PACKED_BYTES (gzip.c). */
#define RANGE_PFNS (1 << 11)

/* A thread calls zlib and pread(2). */
#define THREAD_STACK (256 << 10)

void wait_turn(struct reader *reader)
{
	struct job *job = reader->job;

	pthread_mutex_lock(&job->lock);
	while (job->turn != reader->ticket)
		pthread_cond_wait(&job->turned, &job->lock);
	pthread_mutex_unlock(&job->lock);
}

static void pass_turn(struct reader *reader)
{
	struct job *job = reader->job;

	wait_turn(reader);
	pthread_mutex_lock(&job->lock);
	job->turn++;
	pthread_cond_broadcast(&job->turned);
	pthread_mutex_unlock(&job->lock);
}

static bool take_range(struct reader *reader, int64_t *start)
{
	struct job *job = reader->job;
	bool taken;

	pthread_mutex_lock(&job->lock);
	taken = !job->ended;
	if (taken) {
		*start = job->start;
		job->start += RANGE_PFNS;
		reader->ticket = job->tickets++;
	}
	pthread_mutex_unlock(&job->lock);
	return taken;
}

static void *read_ranges(void *context)
{
	struct reader *reader = context;
	int64_t start;

	while (take_range(reader, &start)) {
		enum stop stop = STOP_ERROR;

		if (lseek(reader->fd, start, SEEK_SET) >= 0)
			stop = read_records(reader, start + RANGE_PFNS);
		note_stop(reader, stop);
		pack_end(reader);
		pass_turn(reader);
	}
	return NULL;
}

/* 8f0efa81dfbc, 6.1: positions are PFNs. Before, they count from the lowest PFN. */
bool positions_are_pfns(int fd, uint8_t *room)
{
	int64_t pfn;
	ssize_t got;
	bool found;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return false;
	got = read(fd, room, LONGEST_RECORD);
	found = got > 0 && record_number(PAGE_RECORD, room, got, &pfn) &&
		lseek(fd, 0, SEEK_CUR) == pfn + 1;
	return lseek(fd, 0, SEEK_SET) == 0 && found;
}

void read_in_ranges(struct job *job, struct reader *first, int readers)
{
	pthread_t *threads = calloc(readers, sizeof(*threads));
	struct reader **others = calloc(readers, sizeof(*others));
	pthread_attr_t attributes;

	if (!threads || !others)
		die("out of memory", "", "");
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	first->lack.known = 0;
	for (int i = 1; i < readers; i++) {
		int fd = open(job->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		others[i] = new_reader(job, fd);
		others[i]->lack.known = 0;
		if (pthread_create(&threads[i], &attributes, read_ranges, others[i]) != 0)
			die("a thread cannot be started", "", "");
	}
	read_ranges(first);
	for (int i = 1; i < readers && others[i]; i++) {
		pthread_join(threads[i], NULL);
		free_reader(others[i]);
	}
	pthread_attr_destroy(&attributes);
	free(threads);
	free(others);
}
