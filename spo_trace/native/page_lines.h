/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first two lines of a page_owner record as print_page_owner() (mm/page_owner.c) has printed
 * them since Linux 5.18 (formats E and F).
 */
#ifndef SPO_PAGE_LINES_H
#define SPO_PAGE_LINES_H

#include "scan.h"
#include "text.h"

/* As in limits.py, which gives the reason. */
#define MAX_ORDER 22

/* The positions of a record's strings. */
struct page_spans {
	place gfp, gfp_end;
	place comm, comm_end;
	place migratetype, migratetype_end;
	place pageblock, pageblock_end;
	place flags, flags_end;
};

/* ", pid 1, tgid 1 (comm), ts 1 ns" */
static inline place page_allocator(place p, struct spo_page_row *row, struct page_spans *spans)
{
	p = AFTER(p, ", pid ");
	p = pid_number(p, &row->pid);
	p = AFTER(p, ", tgid ");
	p = pid_number(p, &row->tgid);
	p = AFTER(p, " (");
	spans->comm = p;
	p = comm_end(p);
	spans->comm_end = p;
	p = AFTER(p, "), ts ");
	p = decimal(p, &row->ts_nsec);
	return AFTER(p, " ns");
}

/* "Page allocated via order 0, mask 0x…(GFP_…)ALLOCATOR[, free_ts 1 ns][ (swapped)]\n" */
static inline place page_first_line(place p, place end, struct spo_page_row *row,
				    struct page_spans *spans)
{
	uint64_t order = 0, free_ts_nsec = 0;

	p = AFTER(p, "Page allocated via order ");
	p = decimal(p, &order);
	p = AFTER(p, ", mask 0x");
	if (!p || order > MAX_ORDER)
		return NULL;
	row->order = (uint8_t)order;
	spans->gfp = p;
	p = hexadecimal_end(p);
	if (!p || p - spans->gfp > 8)
		return NULL;
	p = parentheses_end(p, end);
	spans->gfp_end = p;
	p = AFTER(p, ")");
	p = page_allocator(p, row, spans);
	if (!p)
		return NULL;
	row->free_ts_nsec = -1;
	if (IS_AT(p, ", free_ts ")) {
		p = decimal(p + sizeof(", free_ts ") - 1, &free_ts_nsec);
		p = AFTER(p, " ns");
		if (!p)
			return NULL;
		row->free_ts_nsec = (int64_t)free_ts_nsec;
	}
	row->swapped = IS_AT(p, " (swapped)");
	if (row->swapped)
		p += sizeof(" (swapped)") - 1;
	return AFTER(p, "\n");
}

/*
 * "PFN 0x1 type Movable Block 1 type Movable Flags 0x…(…)\n"
 * 399fd496c49b, 6.5: the PFN is hexadecimal; before, it is decimal.
 */
static inline place page_pfn_line(place p, place end, struct spo_page_row *row,
				  struct page_spans *spans)
{
	uint64_t ignored;

	p = AFTER(p, "PFN ");
	if (!p)
		return NULL;
	p = IS_AT(p, "0x") ? hexadecimal(p + 2, &row->pfn) : decimal(p, &row->pfn);
	p = AFTER(p, " type ");
	spans->migratetype = p;
	p = word_end(p);
	spans->migratetype_end = p;
	p = AFTER(p, " Block ");
	p = decimal(p, &ignored);
	p = AFTER(p, " type ");
	spans->pageblock = p;
	p = word_end(p);
	spans->pageblock_end = p;
	p = AFTER(p, " Flags 0x");
	spans->flags = p;
	p = hexadecimal_end(p);
	p = parentheses_end(p, end);
	spans->flags_end = p;
	return AFTER(p, ")\n");
}

#endif
