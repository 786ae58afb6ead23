// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records of swap_page_owner as a kernel with the RFC's patches prints them. */
#include "record.h"

/* "Page allocated via pid 1, tgid 1 (comm), ts 1 ns\nSWP entry 0x1\n" */
static place first_lines(place p, struct spo_swap_row *row, place *comm, place *comm_stop)
{
	p = AFTER(p, "Page allocated via pid ");
	p = pid_number(p, &row->pid);
	p = AFTER(p, ", tgid ");
	p = pid_number(p, &row->tgid);
	p = AFTER(p, " (");
	*comm = p;
	p = comm_end(p);
	*comm_stop = p;
	p = AFTER(p, "), ts ");
	p = decimal(p, &row->ts_nsec);
	p = AFTER(p, " ns\nSWP entry 0x");
	p = hexadecimal(p, &row->swp_entry);
	return AFTER(p, "\n");
}

static enum answer swap_record(struct spo_strings *strings, place start, place end, void *to,
			       struct body *body)
{
	struct spo_swap_row *row = to;
	place comm, comm_stop, p;

	p = first_lines(start, row, &comm, &comm_stop);
	if (!p || !find_body(start, p, end, body))
		return LEFT;
	if (!number_string(strings, SPO_COMM, comm, comm_stop, &row->comm) ||
	    !number_body(strings, body, &row->stack, &row->tail))
		return NO_MEMORY;
	body->newlines += 2 + strings_newlines(strings, row->comm);
	return RECOGNISED;
}

int spo_scan_swap(struct spo_strings *strings, const struct spo_block *block, struct spo_scan *scan)
{
	return scan_block(strings, block, scan, sizeof(struct spo_swap_row), swap_record);
}
