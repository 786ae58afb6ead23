/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What records of page_owner and of swap_page_owner have in common: the walk over a block, the
 * stack, and the lines after it.
 */
#ifndef SPO_RECORD_H
#define SPO_RECORD_H

#include "scan.h"
#include "strings.h"
#include "text.h"

enum answer { RECOGNISED, LEFT, NO_MEMORY };

/*
 * The stack (its frames, its handle, or both), the lines after it (the tail), and the number of
 * newlines in the whole record.
 */
struct body {
	place stack;
	place tail;
	place end;
	int64_t newlines;
};

/*
 * Find the body that begins at p. False if it is cut off or too long, or if anything but a record
 * follows it.
 */
bool find_body(place record, place p, place end, struct body *body);

bool number_string(struct spo_strings *strings, enum spo_kind kind, place start, place end,
		   uint32_t *number);

/* Number the stack and the tail, and count their newlines. */
bool number_body(struct spo_strings *strings, struct body *body, uint32_t *stack, uint32_t *tail);

/* Read the record at p into a row. `end` is the end of the record if known, else of the block. */
typedef enum answer (*read_record)(struct spo_strings *strings, place p, place end, void *row,
				   struct body *body);

/* Walk over a block. Each row begins with its struct spo_start. */
int scan_block(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan,
	       size_t row_size, read_record read);

#endif
