/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The readers of a file of records (records.c), and their ranges of PFNs (ranges.c). */
#ifndef SPO_RECORDS_H
#define SPO_RECORDS_H

#include <pthread.h>

#include "collect.h"

/* A copied file is read in pieces of this size. Twice the longest record that is changed. */
#define PIECE_BYTES (2 * LONGEST_RECORD)

/* A position after it fits in an off_t, too. */
#define LAST_POSITION (INT64_MAX - 1)

enum stop { STOP_PAST, STOP_END, STOP_ERROR };

/* What the readers of a file share. */
struct job {
	const char *name;
	const char *path;
	enum record_kind kind;
	enum handles_of handles;
	struct archive_file file;
	pthread_mutex_t lock;
	pthread_cond_t turned;
	int64_t start;
	uint64_t tickets;
	uint64_t turn;
	uint64_t too_large;
	uint64_t repeated;
	uint64_t written;
	int error;
	bool ended;
};

struct reader {
	struct job *job;
	int fd;
	uint8_t *room;
	size_t used;
	struct packer *packer;
	bool packing;
	uint64_t ticket;
	int64_t next_pfn;
	/* Where positions cannot be set: the position of the next read, and number - position. */
	bool by_position;
	int64_t position;
	int64_t base;
	bool has_base;
	struct lack lack;
};

/* records.c */
struct reader *new_reader(struct job *job, int fd);
void free_reader(struct reader *reader);
void note_stop(struct reader *reader, enum stop stop);
void pack(struct reader *reader, const uint8_t *bytes, size_t size);
void pack_text(struct reader *reader);
void pack_end(struct reader *reader);

/* live_records.c: up to PFN `end`, exclusive */
enum stop read_records(struct reader *reader, int64_t end);

/* copied_records.c */
enum stop read_copy(struct reader *reader);

/* ranges.c */
void wait_turn(struct reader *reader);
bool positions_are_pfns(int fd, uint8_t *room);
void read_in_ranges(struct job *job, struct reader *first, int readers);

#endif
