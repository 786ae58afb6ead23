/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interface for formats/fast/scanner.py: one pass over page_owner or swap_page_owner text.
 *
 * A record is recognised as a whole or not at all: any record that differs in one byte from what
 * kernels since Linux 5.18 print is left to the reference parsers (formats/page_owner.py,
 * formats/swap_page_owner.py), which define the grammar. formats/fast/scanner.py mirrors the
 * structs.
 */
#ifndef SPO_SCAN_H
#define SPO_SCAN_H

#include <stdint.h>

/* Raise this with each change of this file: native/library.py refuses another version. */
#define SPO_VERSION 6

/* Zero bytes that the caller appends to a block, so that reading a few bytes past it is safe. */
#define SPO_PADDING 64

/* More than a kernel prints in one record; the reference parser cuts longer ones (record.py). */
#define SPO_LONGEST_RECORD (1 << 20)

/*
 * SPO_STACK: the lines of the frames, and the line "handle: N" that follows them or replaces them
 * (print_mode series, as of linux-mm 015feaca4b02; in no release up to 7.2). SPO_TAIL: the lines
 * after it.
 */
enum spo_kind { SPO_GFP, SPO_COMM, SPO_MIGRATETYPE, SPO_FLAGS, SPO_STACK, SPO_TAIL, SPO_KINDS };

enum spo_status { SPO_DONE, SPO_NO_ROOM, SPO_NO_MEMORY };

/* Distinct byte strings, numbered from 0 in order of first appearance. */
struct spo_strings;

/*
 * Text of whole records. ends: where read(2) ended each record; NULL if unknown.
 *
 * If fd is not -1, these are the `size` bytes of a file from `offset` on, and text is room for as
 * many, which they pass through in windows of about `window` bytes: those in a processor's cache
 * are read and scanned fastest. The scan sets the other members: text holds `read` bytes of the
 * block from byte `start` on, of whole records up to byte `whole`. After an error of read(2),
 * `error` is its number, and the block ends there.
 */
struct spo_block {
	uint8_t *text;
	int64_t size;
	const int64_t *ends;
	int64_t n_ends;
	int64_t offset;
	int64_t window;
	int64_t start;
	int64_t read;
	int64_t whole;
	int32_t fd;
	int32_t error;
};

/* The start of a record: the number of bytes and of newlines before it in the block. */
struct spo_start {
	int64_t byte;
	int64_t line;
};

/*
 * The uint32_t members gfp to tail are numbers of strings. free_ts_nsec is -1 if the record has
 * none. PFNs and times are at most INT64_MAX: a record with a larger one is left.
 */
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

/* A record that was not recognised. row: the number of rows before it. end: its last byte + 1. */
struct spo_left {
	struct spo_start start;
	int64_t row;
	int64_t end;
};

/*
 * The output of a scan and its progress. For a new block, the caller zeroes everything but the
 * pointers and their room.
 */
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
const uint8_t *spo_string(const struct spo_strings *strings, int64_t number, int64_t *length,
			  int32_t *kind);

/* Scan a block from scan->next. After SPO_NO_ROOM, enlarge rows and left and call again. */
int spo_scan_pages(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan);
int spo_scan_swap(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan);

#endif
