// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap_owner - keep the owner of each page in swap, like the swap_page_owner RFC, on an unpatched
 * kernel
 *
 * At swap-out, the owner of the page is read from page_ext and stored under the swp_entry. At
 * swap-in, the new page is recorded as a continuation of that owner. When the entry is freed, its
 * owner is removed.
 *
 * spo_trace/probes/loader attaches a program to each function that it chose, and writes the
 * structure offsets to `layouts`. Nothing is recorded before that.
 *
 * This file is compiled in two ways: with clang when spo-trace is built (libbpf.h), or by bcc when
 * a trace starts (bcc.h, in front of this text). MAP(), FOR_EACH_PAGE() and PROGRAM() differ. bcc
 * has other forms of the helpers for maps: probes/loader/bcc_program.py replaces each one here.
 */
#ifndef BCC
#include "libbpf.h"
#endif

#define MAX_FRAMES 16
/* Base pages of the largest folio: a THP of 2 MiB in pages of 4 KiB. */
#define MAX_PAGES 512

/* All u64, in the order of Layout in memory/layout.py. */
struct layout {
	u64 ready, events, owners;
	u64 vmemmap, page_bytes, swap_offset, head_bit, order_offset;
	u64 mem_section, section_shift, section_bytes, section_page_ext, root_shift;
	u64 ext_bytes, owner_offset, allocated_bit;
	u64 order, handle, ts_nsec, pid, comm;
	u64 pools, pool_mask, pool_bias, offset_shift, offset_mask;
	u64 record_size, record_handle, record_entries;
	u64 vma_mm, mm_owner, task_comm, swapbacked_bit;
};

/* since: when the owner was stored under its entry, in SECONDS(). */
struct owner {
	u64 ts_nsec;
	u64 pfn;
	u32 handle;
	s32 pid;
	s32 tgid;
	char comm[16];
	u32 since;
};

/*
 * A swapped-in page and the owner of the entry that it was read from. ts_nsec: when the page itself
 * was allocated. If page_owner has another time, the page frame now holds another page.
 */
struct restored {
	u64 ts_nsec;
	struct owner owner;
};

/* The base pages of a folio: page i has page frame number pfn + i and swp_entry entry + i. */
struct pages {
	u64 entry;
	u64 pfn;
	u64 ext;
	u64 nr;
};

struct stack {
	u32 handle;
	u32 size;
	u64 entries[MAX_FRAMES];
};

/*
 * KNOWN_OWNER: comm and stack (a stack depot handle) are those of the owner. Otherwise, stack is a
 * row of `callers`, and comm belongs to the process that had mapped the page (KNOWN_MAPPER) or to
 * the current task (KNOWN_TASK).
 */
enum { KNOWN_TASK, KNOWN_OWNER, KNOWN_MAPPER };

struct event {
	u32 kind;
	u32 known;
	s64 stack;
	char comm[16];
};

struct comm {
	char text[16];
};

struct memory {
	char bytes[256];
};

/* PERF_MAX_STACK_DEPTH */
struct trace {
	u64 addresses[127];
};

/* In the order of probes/counters.py. */
enum {
	OUT_CALLS, OUT_PAGES, OUT_AGAIN, OUT_CONTINUED, NO_ENTRY, NO_OWNER,
	ENTRIES_FULL, STACKS_FULL, BAD_STACK,
	IN_CALLS, IN_PAGES, IN_UNKNOWN, RESTORED_FULL,
	FREE_CALLS, FREED, FREE_UNKNOWN, TOO_LARGE, MIGRATED,
	EVENTS_FULL, NO_CALLER, NR_COUNTERS
};

enum { EVENT_OUT, EVENT_IN, EVENT_FREE };

MAP(ARRAY, u32, struct layout, layouts, 1, 0);
MAP(PERCPU_ARRAY, u32, u64, counters, NR_COUNTERS, 0);
MAP(PERCPU_ARRAY, u32, struct stack, scratch, 1, 0);
/* Preallocated, because memory is short when pages are swapped out. */
MAP(HASH, u64, struct owner, entries, MAX_ENTRIES, 0);
MAP(HASH, u32, struct stack, stacks, 16384, BPF_F_NO_PREALLOC);
MAP(HASH, u64, struct restored, restored, MAX_RESTORED, BPF_F_NO_PREALLOC);
MAP(HASH, struct event, u64, events, 16384, BPF_F_NO_PREALLOC);
MAP(STACK_TRACE, u32, struct trace, callers, 4096, 0);
/* A row is needed only from the unmapping of a page until its swap-out, which follows directly. */
MAP(LRU_HASH, u64, struct comm, mappers, 1024, 0);
MAP(ARRAY, u32, struct memory, peeked, 1, 0);

static __always_inline void count(int which, u64 n)
{
	u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		__sync_fetch_and_add(value, n);
}

static __always_inline struct layout *layout_if_ready(void)
{
	int zero = 0;
	struct layout *l = bpf_map_lookup_elem(&layouts, &zero);

	return l && l->ready ? l : NULL;
}

/* Read kernel memory. A failed read returns 0, so that callers can treat it as a null pointer. */
static __always_inline u64 read_u64(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline u64 pfn_of(struct layout *l, u64 page)
{
	return l->page_bytes ? (page - l->vmemmap) / l->page_bytes : 0;
}

/*
 * lookup_page_ext() of mm/page_ext.c; 0 if there is none. All pages of a folio are in one section,
 * so their page_ext are contiguous.
 */
static __always_inline u64 page_ext(struct layout *l, u64 pfn)
{
	u64 number = pfn >> (l->section_shift & 63);
	u64 root = read_u64(l->mem_section + (number >> (l->root_shift & 63)) * sizeof(u64));
	u64 section = root + (number & ((1ULL << (l->root_shift & 63)) - 1)) * l->section_bytes;
	u64 ext = root ? read_u64(section + l->section_page_ext) : 0;

	/* b1d5488a252d, 6.1: bit 0 is PAGE_EXT_INVALID, set while the section goes offline. */
	return ext && !(ext & 1) ? ext + pfn * l->ext_bytes : 0;
}

/* get_page_owner() of mm/page_owner.c; 0 if the page has no owner. */
static __always_inline u64 owner_address(struct layout *l, u64 ext)
{
	return read_u64(ext) & (1ULL << (l->allocated_bit & 63)) ? ext + l->owner_offset : 0;
}

/*
 * Call only if l->owners is set. The owner of a folio is that of its first page. If that page has
 * no owner, `owner` is left unchanged.
 * ea4b5b33bf8a, 6.9: migration copies the owner to all pages; before, only to the first.
 */
static __always_inline void read_owner(struct layout *l, struct pages *pages, struct owner *owner)
{
	u64 address = owner_address(l, pages->ext);

	if (!address)
		return;
	bpf_probe_read_kernel(&owner->handle, sizeof(owner->handle),
			      (void *)(address + l->handle));
	bpf_probe_read_kernel(&owner->ts_nsec, sizeof(owner->ts_nsec),
			      (void *)(address + l->ts_nsec));
	/* bf215eab785a, 5.18: struct page_owner has tgid. It follows pid. */
	bpf_probe_read_kernel(&owner->pid, 2 * sizeof(owner->pid), (void *)(address + l->pid));
	bpf_probe_read_kernel(&owner->comm, sizeof(owner->comm), (void *)(address + l->comm));
}

/* folio_nr_pages(); without BTF, from the order in struct page_owner. */
static __always_inline u32 nr_pages(struct layout *l, u64 folio, u64 ext)
{
	u32 order = 0;

	if (l->order_offset) {
		if (read_u64(folio) & (1ULL << (l->head_bit & 63)))
			order = read_u64(folio + l->order_offset) & 0xff;
	} else {
		u64 address = owner_address(l, ext);

		order = address ? read_u64(address + l->order) & 0xff : 0;
	}
	if (order > 9) {
		count(TOO_LARGE, 1);
		order = 9;
	}
	return 1U << (order & 15);
}

/*
 * Copy the result through memory, so that the verifier does not track how it was computed.
 * Otherwise it would verify the loops that follow once for each path through this function.
 */
static __always_inline void pages_of(struct layout *l, u64 folio, struct pages *pages)
{
	struct pages found = {
		.entry = read_u64(folio + l->swap_offset),
		.pfn = pfn_of(l, folio),
	};

	found.ext = l->owners ? page_ext(l, found.pfn) : 0;
	found.nr = nr_pages(l, folio, found.ext);
	bpf_probe_read_kernel(pages, sizeof(*pages), &found);
}

static __always_inline void keep_stack(struct layout *l, u32 handle)
{
	int zero = 0;
	struct stack *stack;
	u64 record, pool, bytes;

	if (bpf_map_lookup_elem(&stacks, &handle))
		return;
	stack = bpf_map_lookup_elem(&scratch, &zero);
	if (!stack)
		return;
	pool = read_u64(l->pools + ((handle & l->pool_mask) - l->pool_bias) * sizeof(u64));
	record = pool + (((handle >> (l->offset_shift & 31)) & l->offset_mask) << 4);
	bpf_probe_read_kernel(&stack->size, sizeof(u32), (void *)(record + l->record_size));
	bpf_probe_read_kernel(&stack->handle, sizeof(u32), (void *)(record + l->record_handle));
	bytes = stack->size * sizeof(u64);
	/* The verifier requires that the value is checked and used in the same register. */
	asm volatile("" : "+r"(bytes));
	if (!pool || stack->handle != handle || bytes > sizeof(stack->entries)) {
		count(BAD_STACK, 1);
		return;
	}
	if (bpf_probe_read_kernel(&stack->entries, bytes, (void *)(record + l->record_entries)))
		count(BAD_STACK, 1);
	else if (bpf_map_update_elem(&stacks, &handle, stack, BPF_ANY))
		count(STACKS_FULL, 1);
}

/* Return the row of the stack in `callers`; negative if it could not be taken or stored. */
static __always_inline s64 hook_stack(void *ctx)
{
	s64 row = bpf_get_stackid(ctx, &callers, 0);

	if (row < 0)
		count(NO_CALLER, 1);
	return row;
}

static __always_inline void count_event(void *ctx, struct layout *l, int kind, struct owner *owner,
					u64 folio, u64 pages)
{
	struct event event = {.kind = kind};
	struct comm *mapper;
	u64 *value, zero = 0;

	if (!l->events)
		return;
	mapper = folio ? bpf_map_lookup_elem(&mappers, &folio) : NULL;
	if (owner->handle) {
		event.known = KNOWN_OWNER;
		event.stack = owner->handle;
		__builtin_memcpy(event.comm, owner->comm, sizeof(event.comm));
	} else if (mapper) {
		event.known = KNOWN_MAPPER;
		event.stack = hook_stack(ctx);
		__builtin_memcpy(event.comm, mapper->text, sizeof(event.comm));
		bpf_map_delete_elem(&mappers, &folio);
	} else {
		event.stack = hook_stack(ctx);
		bpf_get_current_comm(&event.comm, sizeof(event.comm));
	}
	value = bpf_map_lookup_elem(&events, &event);
	if (!value) {
		bpf_map_update_elem(&events, &event, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&events, &event);
	}
	if (value)
		__sync_fetch_and_add(value, pages);
	else
		count(EVENTS_FULL, pages);
}

/* Units of 2^30 ns. */
#define SECONDS(nsec) ((u32)((nsec) >> 30))

/*
 * A swap-out. `own` is the owner of the folio. After the loop, `owner` is the owner that was stored
 * last, and `handle` is set to the stack of `own` if `own` was stored.
 */
struct out {
	struct pages pages;
	struct owner own;
	struct owner owner;
	u32 handle;
};

/*
 * Store the owner of a page that is about to be written to its entry.
 *
 * If the entry already has an owner, compare the page's allocation time with the time at which that
 * owner was stored. A page that was allocated later got its content from the entry although no
 * swap-in was seen (zswap writes back from a temporary page, or a swap-in was missed): keep the
 * stored owner. A page that was allocated earlier is the same page, or a free was missed and the
 * entry was reused: store its own owner. The times come from the clocks of page_owner and of BPF,
 * which differ slightly.
 */
FOR_PAGE int keep_owner(u32 i, void *context)
{
	struct out *out = context;
	struct owner *own = &out->own, *owner = &out->owner;
	u64 entry = out->pages.entry + i, pfn = out->pages.pfn + i;
	struct restored *before = bpf_map_lookup_elem(&restored, &pfn);
	struct owner *kept = bpf_map_lookup_elem(&entries, &entry);

	if (kept)
		count(OUT_AGAIN, 1);
	if (!own->handle) {
		bpf_map_delete_elem(&entries, &entry);
		count(NO_OWNER, 1);
		return 0;
	}
	if (before && before->ts_nsec == own->ts_nsec) {
		*owner = before->owner;
		owner->since = own->since;
		count(OUT_CONTINUED, 1);
	} else if (kept && SECONDS(own->ts_nsec) >= kept->since) {
		*owner = *kept;
	} else {
		*owner = *own;
		out->handle = own->handle;
	}
	owner->pfn = pfn;
	if (bpf_map_update_elem(&entries, &entry, owner, BPF_ANY)) {
		/* Do not leave the owner of another page under this entry. */
		bpf_map_delete_elem(&entries, &entry);
		count(ENTRIES_FULL, 1);
	}
	return 0;
}

static __always_inline int swap_out(void *ctx, u64 folio)
{
	struct layout *l = layout_if_ready();
	struct out out = {};

	if (!l)
		return 0;
	pages_of(l, folio, &out.pages);
	count(OUT_CALLS, 1);
	count(OUT_PAGES, out.pages.nr);
	if (!out.pages.entry)
		count(NO_ENTRY, out.pages.nr);
	if (out.pages.entry && l->owners) {
		read_owner(l, &out.pages, &out.own);
		out.own.since = SECONDS(bpf_ktime_get_ns());
		FOR_EACH_PAGE(out.pages.nr, keep_owner, &out);
		/*
		 * Once, after the loop, to keep verification short: all pages of a folio have the
		 * same stack.
		 */
		if (out.handle)
			keep_stack(l, out.handle);
	}
	count_event(ctx, l, EVENT_OUT, &out.owner, folio, out.pages.nr);
	return 0;
}

/* A swap-in. `own` is the owner of the folio; `now` is the record that was stored last. */
struct in {
	struct pages pages;
	struct owner own;
	struct restored now;
};

/* Record that a new page, about to be filled from its entry, continues the entry's owner. */
FOR_PAGE int restore_owner(u32 i, void *context)
{
	struct in *in = context;
	u64 entry = in->pages.entry + i, pfn = in->pages.pfn + i;
	struct owner *old = bpf_map_lookup_elem(&entries, &entry);

	if (!old || !in->own.handle) {
		count(IN_UNKNOWN, 1);
		return 0;
	}
	in->now.ts_nsec = in->own.ts_nsec;
	in->now.owner = *old;
	if (bpf_map_update_elem(&restored, &pfn, &in->now, BPF_ANY))
		count(RESTORED_FULL, 1);
	return 0;
}

static __always_inline int swap_in(void *ctx, u64 folio)
{
	struct layout *l = layout_if_ready();
	struct in in = {};

	if (!l)
		return 0;
	pages_of(l, folio, &in.pages);
	count(IN_CALLS, 1);
	count(IN_PAGES, in.pages.nr);
	if (l->owners) {
		read_owner(l, &in.pages, &in.own);
		FOR_EACH_PAGE(in.pages.nr, restore_owner, &in);
	}
	count_event(ctx, l, EVENT_IN, &in.now.owner, 0, in.pages.nr);
	return 0;
}

/* Entries that are freed; `owner` is the owner that was removed last. */
struct freed {
	u64 entry;
	struct owner owner;
};

FOR_PAGE int free_entry(u32 i, void *context)
{
	struct freed *freed = context;
	u64 entry = freed->entry + i;
	struct owner *old = bpf_map_lookup_elem(&entries, &entry);

	if (old) {
		freed->owner = *old;
		bpf_map_delete_elem(&entries, &entry);
		count(FREED, 1);
	} else {
		count(FREE_UNKNOWN, 1);
	}
	return 0;
}

static __always_inline int free_entries(void *ctx, u64 entry, u64 nr)
{
	struct layout *l = layout_if_ready();
	struct freed freed = {.entry = entry};

	if (!l)
		return 0;
	count(FREE_CALLS, 1);
	if (nr > MAX_PAGES)
		count(TOO_LARGE, 1);
	FOR_EACH_PAGE(nr, free_entry, &freed);
	count_event(ctx, l, EVENT_FREE, &freed.owner, 0, nr);
	return 0;
}

/* A migration of a folio with the owner `own`, to page frame number `to`. */
struct migration {
	struct pages pages;
	struct owner own;
	u64 to;
	struct restored moved;
};

/* Migration copies struct page_owner, including ts_nsec, to another page: do so in `restored`. */
FOR_PAGE int move_restored(u32 i, void *context)
{
	struct migration *migration = context;
	u64 from = migration->pages.pfn + i, to = migration->to + i;
	struct owner *own = &migration->own;
	struct restored *before = bpf_map_lookup_elem(&restored, &from);

	if (!before || !own->handle || before->ts_nsec != own->ts_nsec)
		return 0;
	migration->moved = *before;
	if (bpf_map_update_elem(&restored, &to, &migration->moved, BPF_ANY))
		count(RESTORED_FULL, 1);
	else
		count(MIGRATED, 1);
	return 0;
}

static __always_inline int migrate(u64 new_folio, u64 old_folio)
{
	struct layout *l = layout_if_ready();
	struct migration migration = {};

	if (!l || !l->owners)
		return 0;
	pages_of(l, old_folio, &migration.pages);
	read_owner(l, &migration.pages, &migration.own);
	migration.to = pfn_of(l, new_folio);
	FOR_EACH_PAGE(migration.pages.nr, move_restored, &migration);
	return 0;
}

/*
 * Reclaim unmaps a page from a process and may then write it to swap. Without page_owner, only this
 * process identifies the owner. Pages of files are skipped: they never go to swap, and the name
 * would stay for the next page in the page frame.
 */
static __always_inline int unmap(u64 folio, u64 vma)
{
	struct layout *l = layout_if_ready();
	struct comm comm = {};
	u64 task;

	if (!l || l->owners || !l->mm_owner)
		return 0;
	if (!(read_u64(folio) & (1ULL << (l->swapbacked_bit & 63))))
		return 0;
	task = read_u64(read_u64(vma + l->vma_mm) + l->mm_owner);
	if (task && !bpf_probe_read_kernel(&comm.text, sizeof(comm.text),
					   (void *)(task + l->task_comm)))
		bpf_map_update_elem(&mappers, &folio, &comm, BPF_ANY);
	return 0;
}

/* The loader runs this by BPF_PROG_TEST_RUN to read kernel memory and check a layout. */
SEC("raw_tp") int peek(struct bpf_raw_tracepoint_args *ctx)
{
	int zero = 0;
	struct memory *memory = bpf_map_lookup_elem(&peeked, &zero);
	u32 size = ctx->args[1];

	if (!memory || size > sizeof(memory->bytes))
		return -1;
	return bpf_probe_read_kernel(memory->bytes, size, (void *)ctx->args[0]);
}

/*
 * One for each set of arguments, as spo_trace/probes/loader/hooks.py lists them. A swp_entry_t
 * argument, passed by value, is one word.
 */
PROGRAM(out, swap_out(ctx, FIRST))
PROGRAM(in, swap_in(ctx, FIRST))
PROGRAM(free_one, free_entries(ctx, FIRST, 1))
PROGRAM(free_run, free_entries(ctx, FIRST, (u32)SECOND))
PROGRAM(free_range, free_entries(ctx, (FIRST << 58) | SECOND, THIRD - SECOND + 1))
PROGRAM(migrate, migrate(FIRST, SECOND))
PROGRAM(unmap, unmap(FIRST, SECOND))
