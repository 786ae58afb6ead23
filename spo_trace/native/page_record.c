// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records of page_owner. */
#include "page_lines.h"
#include "record.h"

static bool number_strings(struct spo_strings *strings, struct spo_page_row *row,
			   const struct page_spans *spans)
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
	struct page_spans spans;
	place p;

	p = page_first_line(start, end, row, &spans);
	p = page_pfn_line(p, end, row, &spans);
	if (!p || row->pfn > INT64_MAX || !find_body(start, p, end, body))
		return LEFT;
	if (!number_strings(strings, row, &spans) ||
	    !number_body(strings, body, &row->stack, &row->tail))
		return NO_MEMORY;
	body->newlines += 2 + strings_newlines(strings, row->comm);
	return RECOGNISED;
}

int spo_scan_pages(struct spo_strings *strings, struct spo_block *block, struct spo_scan *scan)
{
	return scan_block(strings, block, scan, sizeof(struct spo_page_row), page_record);
}
