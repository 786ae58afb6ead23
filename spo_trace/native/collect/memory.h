/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners out of kernel memory: the rows that spo_trace/memory/row_file.py reads. */
#ifndef SPO_MEMORY_H
#define SPO_MEMORY_H

#include <string.h>

#include "collect.h"
#include "plan.h"

/* Of a node of an xarray, and of a record of swap_page_owner. */
#define MAX_NODE_BYTES 4096

/* At most so many 64-bit words in a row. */
#define MAX_ROW_WORDS 10

/* Rows that are written at once. */
#define BLOCK_ROWS 1024

/* image.c: kernel memory by virtual address */
bool image_open(const struct options *options, const struct plan *plan);
size_t image_read(uint64_t address, void *to, size_t size);

/* bpf.c */
bool bpf_open(void);
size_t bpf_read(uint64_t address, void *to, size_t size);

/* row_file.c */
struct row_file {
	struct archive_file file;
	size_t words;
	uint32_t rows;
	uint32_t changed;
	uint64_t key;
	uint64_t before[MAX_ROW_WORDS];
	uint16_t masks[BLOCK_ROWS];
	uint64_t values[BLOCK_ROWS * MAX_ROW_WORDS];
};

struct row_file *rows_begin(const char *name, size_t row_bytes);
void rows_add(struct row_file *rows, uint64_t key, const void *row);
void rows_end(struct row_file *rows, uint64_t lost, bool kept);

/* stack_counts.c */
void handle_seen(uint32_t handle);
void count_stacks(const struct plan *plan);

/* page_rows.c, swap_rows.c */
bool page_rows(const struct plan *plan);
void swap_rows(const struct plan *plan);

/* Of a structure in kernel memory, at any alignment. */
static inline uint64_t get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline uint16_t get16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

#endif
