/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What formats/scanner.py calls: one pass over page_owner or swap_page_owner text.
 *
 * A record is recognised in full or not at all: whatever differs in a byte from what kernels since 5.18 print is left
 * to the reference parsers (page_owner.py, swap_page_owner.py), which are the grammar. The structs have their twins in
 * formats/scanner.py.
 */
#ifndef SPO_SCAN_H
#define SPO_SCAN_H

#include <stdint.h>

/* Raised with every change of this file or of read_records.h: library.py loads no other version. */
#define SPO_VERSION 3

/* Zero bytes that the caller puts after a block: looking at a few bytes past its end is then always allowed. */
#define SPO_PADDING 64

/* Above what a kernel prints in one record; the reference parser cuts longer ones (record.py). */
#define SPO_LONGEST_RECORD (1 << 20)

enum spo_kind { SPO_GFP, SPO_COMM, SPO_MIGRATETYPE, SPO_FLAGS, SPO_STACK, SPO_TAIL, SPO_KINDS };

enum spo_status { SPO_DONE, SPO_NO_ROOM, SPO_NO_MEMORY };

/* Byte strings, each kept once and numbered from 0 in order of first appearance. */
struct spo_strings;

/* Text that begins and ends between records. ends: where each record ends, as read(2) framed them; NULL if unknown. */
struct spo_block {
	const uint8_t *text;
	int64_t size;
	const int64_t *ends;
	int64_t n_ends;
};

/* Where a record begins: bytes and newlines of the block before it. */
struct spo_start {
	int64_t byte;
	int64_t line;
};

/* uint32_t gfp … tail: numbers of strings. free_ts_nsec is -1 if it is not printed. */
struct spo_page_row {
	struct spo_start start;
	uint64_t pfn;
	uint64_t ts_nsec;
	int64_t free_ts_nsec;
	int32_t pid;
	int32_t tgid;
	uint32_t gfp;
	uint32_t comm;
	uint32_t migratetype;
	uint32_t pageblock_migratetype;
	uint32_t flags;
	uint32_t stack;
	uint32_t tail;
	uint8_t order;
	uint8_t swapped;
};

struct spo_swap_row {
	struct spo_start start;
	uint64_t swp_entry;
	uint64_t ts_nsec;
	int32_t pid;
	int32_t tgid;
	uint32_t comm;
	uint32_t stack;
	uint32_t tail;
};

/* A record that is not recognised: the row before which it stands, and the byte after it. */
struct spo_left {
	struct spo_start start;
	int64_t row;
	int64_t end;
};

/* Where a scan writes, and how far it has come: all zero at a block's start, but for the pointers and their room. */
struct spo_scan {
	void *rows;
	struct spo_left *left;
	int64_t rows_room;
	int64_t left_room;
	int64_t n_rows;
	int64_t n_left;
	struct spo_start next;
	int64_t n_records;
};

int spo_version(void);

struct spo_strings *spo_strings_new(uint64_t seed);
void spo_strings_free(struct spo_strings *strings);
int64_t spo_strings_count(const struct spo_strings *strings);
const uint8_t *spo_string(const struct spo_strings *strings, int64_t number, int64_t *length, int32_t *kind);

/* Go on in a block; SPO_NO_ROOM: make more room for rows and left, and call again. */
int spo_scan_pages(struct spo_strings *strings, const struct spo_block *block, struct spo_scan *scan);
int spo_scan_swap(struct spo_strings *strings, const struct spo_block *block, struct spo_scan *scan);

#endif
