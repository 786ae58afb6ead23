// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE /* memmem() */
#include "record.h"

#define NEXT_RECORD "\nPage allocated via "

int spo_version(void)
{
	return SPO_VERSION;
}

bool find_body(place record, place p, place end, struct body *body)
{
	body->stack = p;
	body->tail = handle_end(frames_end(p, end));
	body->end = tail_end(body->tail, end);
	return body->end && body->end - record <= SPO_LONGEST_RECORD &&
	       (body->end == end || starts_record(body->end));
}

bool number_string(struct spo_strings *strings, enum spo_kind kind, place start, place end,
		   uint32_t *number)
{
	int64_t found = strings_number(strings, kind, start, end);

	*number = (uint32_t)found;
	return found >= 0;
}

bool number_body(struct spo_strings *strings, struct body *body, uint32_t *stack, uint32_t *tail)
{
	if (!number_string(strings, SPO_STACK, body->stack, body->tail, stack) ||
	    !number_string(strings, SPO_TAIL, body->tail, body->end, tail))
		return false;
	body->newlines = strings_newlines(strings, *stack) + strings_newlines(strings, *tail);
	return true;
}

static void leave(struct spo_scan *scan, place text, place p, place end)
{
	scan->left[scan->n_left++] = (struct spo_left){
		.start = scan->next,
		.row = scan->n_rows,
		.end = end - text,
	};
	scan->next.byte = end - text;
	scan->next.line += count_newlines(p, end);
}

static void keep(struct spo_scan *scan, place text, void *row, const struct body *body)
{
	*(struct spo_start *)row = scan->next;
	scan->n_rows++;
	scan->next.byte = body->end - text;
	scan->next.line += body->newlines;
}

/* The start of the record after the one at p; `end` if there is none. */
static place next_start(place p, place end)
{
	place found = memmem(p, end - p, NEXT_RECORD, sizeof(NEXT_RECORD) - 1);

	return found ? found + 1 : end;
}

int scan_block(struct spo_strings *strings, const struct spo_block *block, struct spo_scan *scan,
	       size_t row_size, read_record read)
{
	place text = block->text, block_end = text + block->size;

	while (scan->next.byte < block->size && (!block->ends || scan->n_records < block->n_ends)) {
		place p = text + scan->next.byte;
		place end = block->ends ? text + block->ends[scan->n_records] : block_end;
		void *row = (uint8_t *)scan->rows + scan->n_rows * row_size;
		struct body body;
		enum answer answer;

		if (scan->n_rows == scan->rows_room || scan->n_left == scan->left_room)
			return SPO_NO_ROOM;
		answer = read(strings, p, end, row, &body);
		if (answer == NO_MEMORY)
			return SPO_NO_MEMORY;
		/* The reference parser rejects text after the empty line of a delimited record. */
		if (answer == RECOGNISED && (!block->ends || body.end == end))
			keep(scan, text, row, &body);
		else
			leave(scan, text, p, block->ends ? end : next_start(p, block_end));
		scan->n_records++;
	}
	return SPO_DONE;
}
