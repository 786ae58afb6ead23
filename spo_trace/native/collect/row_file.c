// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file of rows, each of a few 64-bit words. Neighbours are alike: of each row, a mask tells which
 * words differ from the row before, and only these are written. The first word is a key that
 * ascends; its distance from the one before is written.
 *
 * "spo-rows", version, words of a row; then blocks: number of rows, number of words, masks, words.
 * An empty block is the last; after it comes the number of what could not be read.
 */
#include <stdlib.h>

#include "memory.h"

#define VERSION 1

struct row_file *rows_begin(const char *name, size_t row_bytes)
{
	struct row_file *rows = calloc(1, sizeof(*rows));
	uint32_t head[4];

	if (!rows)
		die("out of memory", "", "");
	rows->words = row_bytes / sizeof(uint64_t);
	memcpy(head, "spo-rows", 8);
	head[2] = VERSION;
	head[3] = rows->words;
	plain_begin(&rows->file, name);
	gzip_write(&rows->file, head, sizeof(head));
	return rows;
}

static void write_block(struct row_file *rows)
{
	uint32_t counts[2] = { rows->rows, rows->changed };

	gzip_write(&rows->file, counts, sizeof(counts));
	gzip_write(&rows->file, rows->masks, rows->rows * sizeof(*rows->masks));
	gzip_write(&rows->file, rows->values, rows->changed * sizeof(*rows->values));
	/* Each block can be read alone. */
	memset(rows->before, 0, sizeof(rows->before));
	rows->rows = 0;
	rows->changed = 0;
	rows->key = 0;
}

void rows_add(struct row_file *rows, uint64_t key, const void *row)
{
	uint64_t words[MAX_ROW_WORDS], *to = rows->values + rows->changed;
	uint16_t mask = 0;

	memcpy(words, row, rows->words * sizeof(*words));
	words[0] = key - rows->key;
	rows->key = key;
	for (size_t i = 0; i < rows->words; i++) {
		if (words[i] != rows->before[i]) {
			mask |= 1 << i;
			rows->before[i] = words[i];
			*to++ = words[i];
		}
	}
	rows->masks[rows->rows++] = mask;
	rows->changed = to - rows->values;
	if (rows->rows == BLOCK_ROWS)
		write_block(rows);
}

void rows_end(struct row_file *rows, uint64_t lost, bool kept)
{
	if (rows->rows)
		write_block(rows);
	write_block(rows);
	gzip_write(&rows->file, &lost, sizeof(lost));
	gzip_end(&rows->file, kept);
	free(rows);
}
