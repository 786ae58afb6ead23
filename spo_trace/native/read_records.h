/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sources/read_loop.py calls; the struct has its twin there. SPO_VERSION (scan.h) is raised with every change. */
#ifndef SPO_READ_RECORDS_H
#define SPO_READ_RECORDS_H

#include <stdint.h>

enum spo_stop { SPO_FULL, SPO_PAST, SPO_END };

/*
 * room: bytes of text; longest: how much is asked for at a time; most: numbers that ends has room for.
 * end: the PFN before which records are wanted, -1 for all. position: the file's, after the record that is PAST it.
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
