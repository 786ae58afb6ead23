// SPDX-License-Identifier: LGPL-2.1-or-later
#include "record.h"
#include "window.h"

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

/* Go on from the record at p to what follows it at `next`. */
static void advance(struct spo_scan *scan, place p, place next, int64_t newlines)
{
	scan->next.byte += next - p;
	scan->next.line += newlines;
}

static void leave(struct spo_scan *scan, place p, place end)
{
	scan->left[scan->n_left++] = (struct spo_left){
		.start = scan->next,
		.row = scan->n_rows,
		.end = scan->next.byte + (end - p),
	};
	advance(scan, p, end, count_newlines(p, end));
}

static void keep(struct spo_scan *scan, place p, void *row, const struct body *body)
{
	*(struct spo_start *)row = scan->next;
	scan->n_rows++;
	advance(scan, p, body->end, body->newlines);
}

/* Scan the records of the block up to byte `text_end`, all of which are in the text. */
static int scan_text(struct spo_strings *strings, const struct spo_block *block, int64_t text_end,
		     struct spo_scan *scan, size_t row_size, read_record read)
{
	place text = block->text, all = text + (text_end - block->start);

	while (scan->next.byte < text_end && (!block->ends || scan->n_records < block->n_ends)) {
		place p = text + (scan->next.byte - block->start);
		place end = block->ends ? text + block->ends[scan->n_records] : all;
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
			keep(scan, p, row, &body);
		else
			leave(scan, p, block->ends ? end : next_start(p, all));
		scan->n_records++;
	}
	return SPO_DONE;
}

int scan_block(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan,
	       size_t row_size, read_record read)
{
	int status;

	if (block->fd < 0)
		return scan_text(strings, block, block->size, scan, row_size, read);
	do {
		status = scan_text(strings, block, block->whole, scan, row_size, read);
	} while (status == SPO_DONE && next_window(block));
	return status;
}
