/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first two lines of a swap_page_owner record, as the RFC prints them. */
#ifndef SPO_SWAP_LINES_H
#define SPO_SWAP_LINES_H

#include "scan.h"
#include "text.h"

/* "Page allocated via pid 1, tgid 1 (comm), ts 1 ns\nSWP entry 0x1\n" */
static inline place swap_first_lines(place p, struct spo_swap_row *row, place *comm,
				     place *comm_stop)
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

#endif
