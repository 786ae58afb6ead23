/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the memory method has to know of the running kernel. spo_trace/memory/plan.py writes it; the
 * members have its names, which are those of the kernel's structures where they exist.
 */
#ifndef SPO_PLAN_H
#define SPO_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of an optional member. */
#define ABSENT UINT64_MAX

/* As in limits.py, which gives the reasons. */
#define MAX_ORDER 22
#define MAX_PLAN_SEGMENTS (1 << 16)

/* A range of virtual addresses, and where it is in the file. */
struct segment {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
};

struct plan {
	bool by_bpf;
	uint64_t min_low_pfn;
	uint64_t max_pfn;
	uint64_t pageblock_order;
	/* the array of struct mem_section */
	uint64_t section_roots;
	uint64_t section_bytes;
	uint64_t sections_per_root;
	uint64_t section_pages;
	uint64_t section_mem_map;
	uint64_t section_map_mask;
	uint64_t section_usage;
	uint64_t section_page_ext;
	/* page_ext and the struct page_owner in it */
	uint64_t ext_bytes;
	uint64_t owner_bit;
	uint64_t allocated_bit;
	uint64_t swapped_bit;
	uint64_t owner;
	uint64_t order;
	uint64_t last_migrate_reason;
	uint64_t gfp_mask;
	uint64_t handle;
	uint64_t ts_nsec;
	uint64_t free_ts_nsec;
	uint64_t comm;
	uint64_t pid;
	uint64_t tgid;
	/* struct page */
	uint64_t page_bytes;
	uint64_t flags;
	uint64_t page_type;
	uint64_t private;
	uint64_t head;
	uint64_t memcg_data;
	uint64_t buddy;
	uint64_t max_page_order;
	/* struct mem_section_usage */
	uint64_t pageblock_flags;
	uint64_t pageblock_bits;
	uint64_t isolate_bit;
	uint64_t isolate_type;
	/* the stack depot; stack_count is absent where the kernel does not count pages by stack */
	uint64_t stack_pools;
	uint64_t pool_shift;
	uint64_t pool_bits;
	uint64_t pool_bias;
	uint64_t offset_shift;
	uint64_t offset_bits;
	uint64_t stack_handle;
	uint64_t stack_count;
	/* the xarray of a kernel with swap_page_owner; all are absent without it */
	uint64_t xarray;
	uint64_t xa_head;
	uint64_t node_shift;
	uint64_t node_count;
	uint64_t node_array;
	uint64_t node_slots;
	uint64_t node_slot_count;
	uint64_t swap_bytes;
	uint64_t swap_handle;
	uint64_t swap_pid;
	uint64_t swap_tgid;
	uint64_t swap_comm;
	uint64_t swap_ts_nsec;
	uint64_t swap_most;
	size_t segment_count;
	struct segment *segments;
};

void plan_read(struct plan *plan, const char *path);

#endif
