// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The owners of swap entries: the xarray of a kernel with swap_page_owner, by the rules of
 * spo_trace/memory/swap_rows.py. The tree changes while it is read: a node is read again after its
 * records, and those that it has no more were freed meanwhile.
 */
#include "memory.h"

/* As in limits.py, which gives the reason. */
#define MAX_XARRAY_LEVELS 16

#define MAX_SLOTS 64
#define WORD_BITS 64
#define COMM_BYTES 16

/* How often a node that was being changed is read. */
#define ATTEMPTS 3

/* xa_is_internal(): the two lowest bits are 10. A pointer to a node is internal and above 4096. */
#define INTERNAL 2
#define LOWEST_NODE 4096

/* Records of one node are often in one page. */
#define PAGE_BYTES 4096

/* As SWAP_ROW of spo_trace/memory/rows.py. */
struct swap_row {
	uint64_t entry;
	uint64_t ts_nsec;
	char comm[COMM_BYTES];
	int32_t pid;
	int32_t tgid;
	uint32_t handle;
	uint8_t unused[4];
};

struct node {
	uint64_t shift;
	uint64_t slots[MAX_SLOTS];
};

struct walk {
	const struct plan *plan;
	struct row_file *rows;
	uint64_t lost;
	/* Nodes and records that may be read, so that a damaged tree ends. */
	uint64_t left;
	uint64_t page_at;
	uint8_t page[PAGE_BYTES];
};

static bool is_node(uint64_t slot)
{
	return (slot & 3) == INTERNAL && slot > LOWEST_NODE;
}

static bool is_record(uint64_t slot)
{
	return slot && !(slot & 3);
}

/* `above`: shift of the node above, WORD_BITS for none. */
static bool read_node(struct walk *walk, uint64_t slot, uint64_t above, struct node *node)
{
	const struct plan *plan = walk->plan;
	uint8_t bytes[MAX_NODE_BYTES];
	uint64_t count = 0, width = __builtin_ctzll(plan->node_slot_count);

	if (!walk->left || image_read(slot - INTERNAL, bytes,
				      plan->node_slots + 8 * plan->node_slot_count))
		return false;
	walk->left--;
	for (size_t i = 0; i < plan->node_slot_count; i++) {
		node->slots[i] = get64(bytes + plan->node_slots + 8 * i);
		count += node->slots[i] != 0;
	}
	node->shift = bytes[plan->node_shift];
	return get64(bytes + plan->node_array) == plan->xarray &&
	       count == bytes[plan->node_count] &&
	       (above == WORD_BITS ? node->shift < WORD_BITS : node->shift + width == above);
}

static bool read_bytes(struct walk *walk, uint64_t address, uint8_t *to, size_t size)
{
	uint64_t page = address & ~(uint64_t)(PAGE_BYTES - 1);

	if (address - page + size > PAGE_BYTES)
		return !image_read(address, to, size);
	if (walk->page_at != page) {
		walk->page_at = image_read(page, walk->page, PAGE_BYTES) ? 0 : page;
		if (!walk->page_at)
			return !image_read(address, to, size);
	}
	memcpy(to, walk->page + (address - page), size);
	return true;
}

/* The kernel never stores a record without a stack: one that cannot be read has none. */
static void read_record(struct walk *walk, uint64_t address, struct swap_row *row)
{
	const struct plan *plan = walk->plan;
	uint8_t bytes[MAX_NODE_BYTES];
	const char *comm = (const char *)bytes + plan->swap_comm;

	memset(row, 0, sizeof(*row));
	if (!walk->left || !read_bytes(walk, address, bytes, plan->swap_bytes))
		return;
	walk->left--;
	row->ts_nsec = get64(bytes + plan->swap_ts_nsec);
	row->handle = get32(bytes + plan->swap_handle);
	row->pid = get32(bytes + plan->swap_pid);
	row->tgid = get32(bytes + plan->swap_tgid);
	memcpy(row->comm, comm, strnlen(comm, COMM_BYTES));
}

static void add_row(struct walk *walk, uint64_t entry, const struct swap_row *row)
{
	if (!row->handle) {
		walk->lost++;
		return;
	}
	handle_seen(row->handle);
	rows_add(walk->rows, entry, row);
}

/* Read a node; if it is being changed, or was freed, again from the slot that refers to it. */
static bool find_node(struct walk *walk, uint64_t slot_at, uint64_t *slot, uint64_t above,
		      struct node *node)
{
	for (int i = 1; !read_node(walk, *slot, above, node); i++) {
		bool is_lost = i == ATTEMPTS || image_read(slot_at, slot, sizeof(*slot));

		if (is_lost || !is_node(*slot)) {
			walk->lost += is_lost || *slot;
			return false;
		}
	}
	return true;
}

/* `slot`, at `slot_at`, refers to the node. Its shift is less than that of the one above. */
static void walk_below(struct walk *walk, uint64_t slot_at, uint64_t slot, uint64_t index,
		       uint64_t above, int level)
{
	const struct plan *plan = walk->plan;
	struct swap_row rows[MAX_SLOTS];
	struct node node, after = { 0 };

	if (level == MAX_XARRAY_LEVELS) {
		walk->lost++;
		return;
	}
	if (!find_node(walk, slot_at, &slot, above, &node))
		return;
	walk->page_at = 0;
	for (size_t i = 0; i < plan->node_slot_count; i++)
		if (is_record(node.slots[i]))
			read_record(walk, node.slots[i], &rows[i]);
	read_node(walk, slot, above, &after);
	for (uint64_t i = 0; i < plan->node_slot_count; i++) {
		uint64_t at = index | i << node.shift;

		if (is_node(node.slots[i]))
			walk_below(walk, slot - INTERNAL + plan->node_slots + 8 * i, node.slots[i],
				   at, node.shift, level + 1);
		else if (is_record(node.slots[i]) && node.slots[i] == after.slots[i])
			add_row(walk, at, &rows[i]);
	}
}

void swap_rows(const struct plan *plan)
{
	struct walk walk = { .plan = plan, .left = plan->swap_most };
	struct swap_row row;
	uint64_t head;

	walk.rows = rows_begin("swap_page_owner.rows", sizeof(row));
	if (image_read(plan->xa_head, &head, sizeof(head))) {
		walk.lost++;
	} else if (is_node(head)) {
		walk_below(&walk, plan->xa_head, head, 0, WORD_BITS, 0);
	} else if (is_record(head)) {
		read_record(&walk, head, &row);
		add_row(&walk, 0, &row);
	}
	rows_end(walk.rows, walk.lost, true);
}
