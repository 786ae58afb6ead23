/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interface for sources/read_loop.py, which mirrors the struct. Each change needs a new
 * SPO_VERSION (scan.h).
 */
#ifndef SPO_READ_RECORDS_H
#define SPO_READ_RECORDS_H

#include <stdint.h>

enum spo_stop { SPO_FULL, SPO_PAST, SPO_END };

/*
 * room: size of text in bytes. longest: bytes to request per read(2). most: elements in ends.
 * end: stop at the first record at or after this PFN; -1 for all records. position: the file
 * position after that record.
 */
struct spo_batch {
	uint8_t *text;
	int64_t *ends;
	int64_t room;
	int64_t longest;
	int64_t most;
	int64_t end;
	int64_t count;
	int64_t position;
};

int spo_read_records(int fd, struct spo_batch *batch);

#endif
