// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The owners of pages that read_page_owner() (mm/page_owner.c) would print, by the rules of
 * spo_trace/memory/page_rows.py. Arrays are read in chunks; of one, owners and pages are read
 * within microseconds.
 */
#include <errno.h>
#include <stdlib.h>

#include "memory.h"

/* Enough pages to amortise a read, in buffers of 150 KiB each. */
#define CHUNK_ORDER 11
#define CHUNK_PAGES (1UL << CHUNK_ORDER)

/* SECTION_MARKED_PRESENT and SECTION_HAS_MEM_MAP of linux/mmzone.h. */
#define PRESENT 3
/* PAGE_EXT_INVALID of mm/page_ext.c: the section is going offline. */
#define EXT_INVALID 1
/* Of compound_head or compound_info. */
#define TAIL 1
/* The types of pageblocks that take three bits (enum migratetype). */
#define TYPE_BITS 7

#define COMM_BYTES 16

/* As PAGE_ROW of spo_trace/memory/rows.py. */
struct page_row {
	uint64_t pfn;
	uint64_t ts_nsec;
	uint64_t free_ts_nsec;
	uint64_t flags;
	uint64_t memcg_data;
	char comm[COMM_BYTES];
	uint32_t gfp_mask;
	uint32_t handle;
	int32_t pid;
	int32_t tgid;
	uint16_t order;
	int16_t last_migrate_reason;
	uint8_t block_type;
	uint8_t swapped;
	uint8_t unused[2];
};

_Static_assert(sizeof(struct page_row) == 8 * MAX_ROW_WORDS, "rows are words");

/* The arrays of a section; that of PFN 0 is where its first element would be. */
struct section {
	uint64_t pfn;
	uint64_t page_ext;
	uint64_t pages;
	uint64_t usage;
};

struct page_reader {
	const struct plan *plan;
	struct row_file *rows;
	uint8_t *ext;
	uint8_t *pages;
	uint8_t *blocks;
	/* The PFN after the last free block. */
	uint64_t free_end;
	/* Of the section's page_ext. */
	uint64_t lost_bytes;
	uint64_t unread;
};

static bool has_owner(const struct plan *plan, const uint8_t *ext, uint64_t pfn)
{
	uint64_t wanted = 1ULL << plan->owner_bit | 1ULL << plan->allocated_bit;
	const uint8_t *owner = ext + plan->owner;
	uint16_t order;

	if ((get64(ext) & wanted) != wanted || !get32(owner + plan->handle))
		return false;
	order = get16(owner + plan->order);
	return order <= MAX_ORDER && !(pfn & ((1ULL << order) - 1));
}

/* The kernel steps over each free block from its head, whatever owners its pages had. */
static bool is_free(struct page_reader *reader, const uint8_t *page, uint64_t pfn)
{
	const struct plan *plan = reader->plan;

	if (get32(page + plan->page_type) == plan->buddy) {
		uint64_t order = get64(page + plan->private);
		uint64_t end = pfn + (1ULL << (order <= plan->max_page_order ? order : 0));

		if (end > reader->free_end)
			reader->free_end = end;
	}
	return pfn < reader->free_end;
}

/* A page that has an owner has a struct page that is not all zeros: it is not in this memory. */
static bool is_absent(const uint8_t *page, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (page[i])
			return false;
	return true;
}

/* get_pageblock_migratetype() of mm/page_alloc.c */
static uint8_t block_type(const struct page_reader *reader, uint64_t pfn)
{
	const struct plan *plan = reader->plan;
	uint64_t block = (pfn & (plan->section_pages - 1)) >> plan->pageblock_order;
	uint64_t bit = block * plan->pageblock_bits;
	uint64_t bits = get64(reader->blocks + bit / 64 * 8) >> bit % 64;

	/* Seen on 7.2: isolation is a bit of its own. */
	if (plan->isolate_bit != ABSENT && plan->isolate_type != ABSENT &&
	    bits >> plan->isolate_bit & 1)
		return plan->isolate_type;
	return bits & TYPE_BITS;
}

static void add_row(struct page_reader *reader, const uint8_t *ext, const uint8_t *page,
		    uint64_t pfn)
{
	const struct plan *plan = reader->plan;
	const uint8_t *owner = ext + plan->owner;
	struct page_row row = {
		.ts_nsec = get64(owner + plan->ts_nsec),
		.flags = get64(page + plan->flags),
		.gfp_mask = get32(owner + plan->gfp_mask),
		.handle = get32(owner + plan->handle),
		.pid = get32(owner + plan->pid),
		.tgid = get32(owner + plan->tgid),
		.order = get16(owner + plan->order),
		.last_migrate_reason = get16(owner + plan->last_migrate_reason),
		.block_type = block_type(reader, pfn),
	};

	memcpy(row.comm, owner + plan->comm, strnlen((const char *)owner + plan->comm, COMM_BYTES));
	if (plan->free_ts_nsec != ABSENT)
		row.free_ts_nsec = get64(owner + plan->free_ts_nsec);
	if (plan->swapped_bit != ABSENT)
		row.swapped = get64(ext) >> plan->swapped_bit & 1;
	/* Of tail pages, whose memcg_data means something else, the kernel prints none. */
	if (plan->memcg_data != ABSENT && !(get64(page + plan->head) & TAIL))
		row.memcg_data = get64(page + plan->memcg_data);
	handle_seen(row.handle);
	rows_add(reader->rows, pfn, &row);
}

/* The number of pages up to the last one that has an owner. */
static size_t owned_pages(const struct page_reader *reader, uint64_t start, size_t count)
{
	const struct plan *plan = reader->plan;

	while (count && !has_owner(plan, reader->ext + plan->ext_bytes * (count - 1),
				   start + count - 1))
		count--;
	return count;
}

static void read_chunk(struct page_reader *reader, const struct section *section, uint64_t start,
		       size_t count)
{
	const struct plan *plan = reader->plan;

	reader->lost_bytes += image_read(section->page_ext + plan->ext_bytes * start, reader->ext,
					 plan->ext_bytes * count);
	/* A free block ends within its chunk, unless blocks are larger. */
	if (plan->max_page_order <= CHUNK_ORDER)
		count = owned_pages(reader, start, count);
	if (!count)
		return;
	image_read(section->pages + plan->page_bytes * start, reader->pages,
		   plan->page_bytes * count);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *page = reader->pages + plan->page_bytes * i;
		const uint8_t *ext = reader->ext + plan->ext_bytes * i;

		if (is_free(reader, page, start + i) || !has_owner(plan, ext, start + i))
			continue;
		if (is_absent(page, plan->page_bytes))
			reader->unread++;
		else
			add_row(reader, ext, page, start + i);
	}
}

static size_t block_bytes(const struct plan *plan)
{
	uint64_t bits = (plan->section_pages >> plan->pageblock_order) * plan->pageblock_bits;

	return (bits + 63) / 64 * 8;
}

static void read_section(struct page_reader *reader, const struct section *section)
{
	const struct plan *plan = reader->plan;
	uint64_t end = section->pfn + plan->section_pages, pfn = section->pfn, next;

	image_read(section->usage + plan->pageblock_flags, reader->blocks, block_bytes(plan));
	reader->free_end = 0;
	reader->lost_bytes = 0;
	end = end < plan->max_pfn ? end : plan->max_pfn;
	pfn = pfn > plan->min_low_pfn ? pfn : plan->min_low_pfn;
	progress_at("page_owner", pfn);
	for (; pfn < end; pfn = next) {
		next = (pfn & ~(CHUNK_PAGES - 1)) + CHUNK_PAGES;
		next = next < end ? next : end;
		read_chunk(reader, section, pfn, next - pfn);
	}
	reader->unread += reader->lost_bytes / plan->ext_bytes;
}

/* Read the sections of a root; `number`: of the first one. */
static bool read_root(struct page_reader *reader, uint64_t root, uint64_t number, uint8_t *room)
{
	const struct plan *plan = reader->plan;

	if (image_read(root, room, plan->section_bytes * plan->sections_per_root))
		return false;
	for (size_t i = 0; i < plan->sections_per_root; i++) {
		const uint8_t *p = room + plan->section_bytes * i;
		uint64_t coded = get64(p + plan->section_mem_map);
		struct section section = {
			.pfn = (number + i) * plan->section_pages,
			.page_ext = get64(p + plan->section_page_ext),
			.pages = coded & plan->section_map_mask,
			.usage = get64(p + plan->section_usage),
		};

		if (section.pfn < plan->max_pfn && (coded & PRESENT) == PRESENT &&
		    section.page_ext && !(section.page_ext & EXT_INVALID))
			read_section(reader, &section);
	}
	return true;
}

static bool read_roots(struct page_reader *reader)
{
	const struct plan *plan = reader->plan;
	uint64_t pages = plan->section_pages * plan->sections_per_root, root;
	uint8_t *room = malloc(plan->section_bytes * plan->sections_per_root);
	bool found = true;

	if (!room)
		die("out of memory", "", "");
	for (uint64_t i = 0; found && i * pages < plan->max_pfn; i++) {
		found = !image_read(plan->section_roots + 8 * i, &root, sizeof(root));
		if (found && root)
			found = read_root(reader, root, i * plan->sections_per_root, room);
	}
	free(room);
	return found;
}

/* Whether the list of sections could be read. */
bool page_rows(const struct plan *plan)
{
	struct page_reader reader = {
		.plan = plan,
		.ext = malloc(plan->ext_bytes * CHUNK_PAGES),
		.pages = malloc(plan->page_bytes * CHUNK_PAGES),
		.blocks = malloc(block_bytes(plan)),
	};
	bool found;

	if (!reader.ext || !reader.pages || !reader.blocks)
		die("out of memory", "", "");
	reader.rows = rows_begin("page_owner.rows", sizeof(struct page_row));
	found = read_roots(&reader);
	rows_end(reader.rows, reader.unread, found);
	if (!found)
		output_error("page_owner", EIO, NULL,
			     "the kernel's list of memory sections cannot be read");
	free(reader.ext);
	free(reader.pages);
	free(reader.blocks);
	return found;
}
