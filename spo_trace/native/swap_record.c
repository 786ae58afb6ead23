// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records of swap_page_owner. */
#include "record.h"
#include "swap_lines.h"

static enum answer swap_record(struct spo_strings *strings, place start, place end, void *to,
			       struct body *body)
{
	struct spo_swap_row *row = to;
	place comm, comm_stop, p;

	p = swap_first_lines(start, row, &comm, &comm_stop);
	if (!p || !find_body(start, p, end, body))
		return LEFT;
	if (!number_string(strings, SPO_COMM, comm, comm_stop, &row->comm) ||
	    !number_body(strings, body, &row->stack, &row->tail))
		return NO_MEMORY;
	body->newlines += 2 + strings_newlines(strings, row->comm);
	return RECOGNISED;
}

int spo_scan_swap(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan)
{
	return scan_block(strings, block, scan, sizeof(struct spo_swap_row), swap_record);
}
