// SPDX-License-Identifier: LGPL-2.1-or-later
/* The plan of the memory method: a line for each number, in a fixed order, all in hexadecimal. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "memory.h"

#define FIRST_LINE "spo-trace plan 1\n"

/* A segment's line has up to 51 bytes, and each of the other lines less than 64. */
#define MAX_PLAN_BYTES (4 << 20)

/* As in limits.py, which gives the reasons. */
#define MAX_PFN (1ULL << 40)
#define MAX_STRUCT_BYTES 4096
#define MAX_ROOT_BYTES (64 << 10)
#define MAX_BLOCK_FLAGS_BYTES (1 << 20)

#define ADDRESS (UINT64_MAX - MAX_STRUCT_BYTES)
#define SIZE MAX_STRUCT_BYTES
#define OFFSET (MAX_STRUCT_BYTES - 1)
#define BIT 63
#define HANDLE_BITS 31
#define AT(member) offsetof(struct plan, member)

static const struct field {
	const char *name;
	size_t at;
	uint64_t most;
	bool optional;
} fields[] = {
	{ "min_low_pfn", AT(min_low_pfn), MAX_PFN, false },
	{ "max_pfn", AT(max_pfn), MAX_PFN, false },
	{ "pageblock_order", AT(pageblock_order), MAX_ORDER, false },
	{ "section_roots", AT(section_roots), ADDRESS, false },
	{ "section_bytes", AT(section_bytes), SIZE, false },
	{ "sections_per_root", AT(sections_per_root), MAX_ROOT_BYTES, false },
	{ "section_pages", AT(section_pages), 1ULL << 32, false },
	{ "section_mem_map", AT(section_mem_map), OFFSET, false },
	{ "section_map_mask", AT(section_map_mask), UINT64_MAX, false },
	{ "section_usage", AT(section_usage), OFFSET, false },
	{ "section_page_ext", AT(section_page_ext), OFFSET, false },
	{ "ext_bytes", AT(ext_bytes), SIZE, false },
	{ "owner_bit", AT(owner_bit), BIT, false },
	{ "allocated_bit", AT(allocated_bit), BIT, false },
	{ "swapped_bit", AT(swapped_bit), BIT, true },
	{ "owner", AT(owner), OFFSET, false },
	{ "order", AT(order), OFFSET, false },
	{ "last_migrate_reason", AT(last_migrate_reason), OFFSET, false },
	{ "gfp_mask", AT(gfp_mask), OFFSET, false },
	{ "handle", AT(handle), OFFSET, false },
	{ "ts_nsec", AT(ts_nsec), OFFSET, false },
	{ "free_ts_nsec", AT(free_ts_nsec), OFFSET, true },
	{ "comm", AT(comm), OFFSET, false },
	{ "pid", AT(pid), OFFSET, false },
	{ "tgid", AT(tgid), OFFSET, false },
	{ "page_bytes", AT(page_bytes), SIZE, false },
	{ "flags", AT(flags), OFFSET, false },
	{ "page_type", AT(page_type), OFFSET, false },
	{ "private", AT(private), OFFSET, false },
	{ "head", AT(head), OFFSET, false },
	{ "memcg_data", AT(memcg_data), OFFSET, true },
	{ "buddy", AT(buddy), UINT32_MAX, false },
	{ "max_page_order", AT(max_page_order), MAX_ORDER, false },
	{ "pageblock_flags", AT(pageblock_flags), OFFSET, false },
	{ "pageblock_bits", AT(pageblock_bits), BIT + 1, false },
	{ "isolate_bit", AT(isolate_bit), BIT, true },
	{ "isolate_type", AT(isolate_type), UINT8_MAX, true },
	{ "stack_pools", AT(stack_pools), ADDRESS, false },
	{ "pool_shift", AT(pool_shift), HANDLE_BITS, false },
	{ "pool_bits", AT(pool_bits), HANDLE_BITS, false },
	{ "pool_bias", AT(pool_bias), 1, false },
	{ "offset_shift", AT(offset_shift), HANDLE_BITS, false },
	{ "offset_bits", AT(offset_bits), HANDLE_BITS, false },
	{ "stack_handle", AT(stack_handle), OFFSET, false },
	{ "stack_count", AT(stack_count), OFFSET, true },
	{ "xarray", AT(xarray), ADDRESS, true },
	{ "xa_head", AT(xa_head), ADDRESS, true },
	{ "node_shift", AT(node_shift), OFFSET, true },
	{ "node_count", AT(node_count), OFFSET, true },
	{ "node_array", AT(node_array), OFFSET, true },
	{ "node_slots", AT(node_slots), OFFSET, true },
	{ "node_slot_count", AT(node_slot_count), BIT + 1, true },
	{ "swap_bytes", AT(swap_bytes), SIZE, true },
	{ "swap_handle", AT(swap_handle), OFFSET, true },
	{ "swap_pid", AT(swap_pid), OFFSET, true },
	{ "swap_tgid", AT(swap_tgid), OFFSET, true },
	{ "swap_comm", AT(swap_comm), OFFSET, true },
	{ "swap_ts_nsec", AT(swap_ts_nsec), OFFSET, true },
	{ "swap_most", AT(swap_most), MAX_PFN, true },
};

static _Noreturn void wrong(const char *where)
{
	die("the plan is damaged at ", where, "");
}

static char *read_file(const char *path)
{
	int fd = open_regular(path);
	char *text = malloc(MAX_PLAN_BYTES + 1);
	size_t size = 0;
	ssize_t got;

	if (fd < 0)
		die(path, ": the plan cannot be read", "");
	if (!text)
		die("out of memory", "", "");
	do {
		got = read(fd, text + size, MAX_PLAN_BYTES - size);
		size += got > 0 ? got : 0;
	} while (got > 0);
	close(fd);
	text[size] = 0;
	return text;
}

static bool skip(const char **p, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*p, text, length) != 0)
		return false;
	*p += length;
	return true;
}

static bool number(const char **p, uint64_t *value)
{
	size_t length = strspn(*p, "0123456789abcdef");

	if (length < 1 || length > 16)
		return false;
	*value = strtoull(*p, NULL, 16);
	*p += length;
	return true;
}

static void take_field(const char **p, const struct field *field, struct plan *plan)
{
	uint64_t *value = (uint64_t *)((char *)plan + field->at);
	bool taken = skip(p, field->name) && skip(p, " ");

	if (taken && field->optional && skip(p, "-"))
		*value = ABSENT;
	else if (!taken || !number(p, value) || *value > field->most)
		wrong(field->name);
	if (!skip(p, "\n"))
		wrong(field->name);
}

static void take_segments(const char **p, struct plan *plan)
{
	uint64_t count, last = 0, size;

	if (!skip(p, "segments ") || !number(p, &count) || !skip(p, "\n") ||
	    count > MAX_PLAN_SEGMENTS)
		wrong("segments");
	plan->segments = calloc(count ? count : 1, sizeof(*plan->segments));
	if (!plan->segments)
		die("out of memory", "", "");
	plan->segment_count = count;
	for (size_t i = 0; i < count; i++) {
		struct segment *segment = &plan->segments[i];

		if (!number(p, &segment->start) || !skip(p, " ") || !number(p, &size) ||
		    !skip(p, " ") || !number(p, &segment->offset) || !skip(p, "\n"))
			wrong("segments");
		segment->end = segment->start + size;
		if (segment->start < last || segment->end < segment->start ||
		    segment->offset > INT64_MAX || size > INT64_MAX - segment->offset)
			wrong("segments");
		last = segment->end;
	}
}

static bool is_power(uint64_t value)
{
	return value && !(value & (value - 1));
}

static bool fits(uint64_t offset, uint64_t size, uint64_t whole)
{
	return offset <= whole && size <= whole - offset;
}

static bool are_sections_right(const struct plan *plan)
{
	uint64_t size = plan->section_bytes, pages = plan->section_pages;

	return fits(plan->section_mem_map, 8, size) && fits(plan->section_usage, 8, size) &&
	       fits(plan->section_page_ext, 8, size) && plan->sections_per_root &&
	       plan->sections_per_root * size <= MAX_ROOT_BYTES && is_power(pages) &&
	       is_power(plan->pageblock_bits) && pages >> plan->pageblock_order &&
	       (pages >> plan->pageblock_order) * plan->pageblock_bits / 8 <=
		       MAX_BLOCK_FLAGS_BYTES &&
	       (plan->isolate_bit == ABSENT || plan->isolate_bit < plan->pageblock_bits);
}

static bool is_owner_right(const struct plan *plan)
{
	uint64_t start = plan->owner, size = plan->ext_bytes;

	return fits(0, 8, size) && fits(start + plan->order, 2, size) &&
	       fits(start + plan->last_migrate_reason, 2, size) &&
	       fits(start + plan->gfp_mask, 4, size) && fits(start + plan->handle, 4, size) &&
	       fits(start + plan->ts_nsec, 8, size) && fits(start + plan->comm, 16, size) &&
	       fits(start + plan->pid, 4, size) && fits(start + plan->tgid, 4, size) &&
	       (plan->free_ts_nsec == ABSENT || fits(start + plan->free_ts_nsec, 8, size));
}

static bool is_page_right(const struct plan *plan)
{
	uint64_t size = plan->page_bytes;

	return fits(plan->flags, 8, size) && fits(plan->page_type, 4, size) &&
	       fits(plan->private, 8, size) && fits(plan->head, 8, size) &&
	       (plan->memcg_data == ABSENT || fits(plan->memcg_data, 8, size));
}

/* All of the members of swap_page_owner, or none. */
static bool is_swap_right(const struct plan *plan)
{
	uint64_t size = plan->swap_bytes;

	if (plan->xarray == ABSENT)
		return true;
	return fits(plan->swap_handle, 4, size) && fits(plan->swap_pid, 4, size) &&
	       fits(plan->swap_tgid, 4, size) && fits(plan->swap_comm, 16, size) &&
	       fits(plan->swap_ts_nsec, 8, size) && plan->xa_head != ABSENT &&
	       plan->swap_most != ABSENT && plan->node_slot_count > 1 &&
	       is_power(plan->node_slot_count) && size <= MAX_STRUCT_BYTES &&
	       fits(plan->node_slots, 8 * plan->node_slot_count, MAX_NODE_BYTES) &&
	       plan->node_shift < plan->node_slots && plan->node_count < plan->node_slots &&
	       fits(plan->node_array, 8, plan->node_slots);
}

void plan_read(struct plan *plan, const char *path)
{
	char *text = read_file(path);
	const char *p = text;

	if (!skip(&p, FIRST_LINE))
		wrong("its first line: is it of another version of spo-trace?");
	plan->by_bpf = skip(&p, "memory bpf\n");
	if (!plan->by_bpf && !skip(&p, "memory kcore\n"))
		wrong("memory");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		take_field(&p, &fields[i], plan);
	take_segments(&p, plan);
	if (!skip(&p, "end\n") || *p)
		wrong("its end");
	free(text);
	if (!are_sections_right(plan))
		wrong("the sections");
	if (!is_owner_right(plan))
		wrong("page_ext");
	if (!is_page_right(plan))
		wrong("struct page");
	if (!is_swap_right(plan))
		wrong("swap_page_owner");
}
