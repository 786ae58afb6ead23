// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Records of page_owner as print_page_owner() (mm/page_owner.c) has printed them since Linux 5.18
 * (formats E and F).
 */
#include "record.h"

/* As in limits.py, which gives the reason. */
#define MAX_ORDER 22

/* The positions of a record's strings. */
struct spans {
	place gfp, gfp_end;
	place comm, comm_end;
	place migratetype, migratetype_end;
	place pageblock, pageblock_end;
	place flags, flags_end;
};

/* ", pid 1, tgid 1 (comm), ts 1 ns" */
static place allocator(place p, struct spo_page_row *row, struct spans *spans)
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
static place first_line(place p, place end, struct spo_page_row *row, struct spans *spans)
{
	uint64_t order = 0, gfp_mask, free_ts_nsec = 0;

	p = AFTER(p, "Page allocated via order ");
	p = decimal(p, &order);
	p = AFTER(p, ", mask 0x");
	if (!p || order > MAX_ORDER)
		return NULL;
	row->order = (uint8_t)order;
	spans->gfp = p;
	p = hexadecimal(p, &gfp_mask);
	if (!p || p - spans->gfp > 8)
		return NULL;
	p = parentheses_end(p, end);
	spans->gfp_end = p;
	p = AFTER(p, ")");
	p = allocator(p, row, spans);
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
static place pfn_line(place p, place end, struct spo_page_row *row, struct spans *spans)
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
	p = hexadecimal(p, &ignored);
	p = parentheses_end(p, end);
	spans->flags_end = p;
	return AFTER(p, ")\n");
}

static bool number_strings(struct spo_strings *strings, struct spo_page_row *row,
			   const struct spans *spans)
{
	return number_string(strings, SPO_GFP, spans->gfp, spans->gfp_end, &row->gfp) &&
	       number_string(strings, SPO_COMM, spans->comm, spans->comm_end, &row->comm) &&
	       number_string(strings, SPO_MIGRATETYPE, spans->migratetype, spans->migratetype_end,
			     &row->migratetype) &&
	       number_string(strings, SPO_MIGRATETYPE, spans->pageblock, spans->pageblock_end,
			     &row->pageblock_migratetype) &&
	       number_string(strings, SPO_FLAGS, spans->flags, spans->flags_end, &row->flags);
}

static enum answer page_record(struct spo_strings *strings, place start, place end, void *to,
			       struct body *body)
{
	struct spo_page_row *row = to;
	struct spans spans;
	place p;

	p = first_line(start, end, row, &spans);
	p = pfn_line(p, end, row, &spans);
	if (!p || !find_body(start, p, end, body))
		return LEFT;
	if (!number_strings(strings, row, &spans) ||
	    !number_body(strings, body, &row->stack, &row->tail))
		return NO_MEMORY;
	body->newlines += 2 + strings_newlines(strings, row->comm);
	return RECOGNISED;
}

int spo_scan_pages(struct spo_strings *strings, const struct spo_block *block,
		   struct spo_scan *scan)
{
	return scan_block(strings, block, scan, sizeof(struct spo_page_row), page_record);
}
