// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The base pages of each stack: the reference counts of the stack depot (lib/stackdepot.c), read
 * right after the owners, as the two are compared. Stacks themselves never change, and are read
 * later.
 */
#include <stdlib.h>

#include "memory.h"

/* Most kernels have a few hundred stacks. The table doubles when it is half full. */
#define FIRST_SLOTS 4096

/* DEPOT_STACK_ALIGN: records begin at multiples of 16 bytes. */
#define STACK_ALIGN 4

/* As STACK_ROW of spo_trace/memory/rows.py. */
struct stack_row {
	uint64_t handle;
	int32_t count;
	uint8_t unused[4];
};

static struct {
	uint32_t *slots;
	size_t size;
	size_t used;
} handles;

/* Handles differ in their low and their high bits. */
static size_t slot_of(const uint32_t *slots, size_t size, uint32_t handle)
{
	size_t at = (handle * 0x9e3779b1U >> 7) & (size - 1);

	while (slots[at] && slots[at] != handle)
		at = (at + 1) & (size - 1);
	return at;
}

static void grow(void)
{
	size_t size = handles.size ? 2 * handles.size : FIRST_SLOTS;
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		die("out of memory", "", "");
	for (size_t i = 0; i < handles.size; i++)
		if (handles.slots[i])
			slots[slot_of(slots, size, handles.slots[i])] = handles.slots[i];
	free(handles.slots);
	handles.slots = slots;
	handles.size = size;
}

/* `handle`: not 0. Past the limit, counts are left out. */
void handle_seen(uint32_t handle)
{
	size_t at;

	if (2 * handles.used >= handles.size && handles.used < MAX_STACKS)
		grow();
	at = slot_of(handles.slots, handles.size, handle);
	if (handles.slots[at] || handles.used == MAX_STACKS)
		return;
	handles.slots[at] = handle;
	handles.used++;
}

static uint64_t bits_of(uint32_t handle, uint64_t shift, uint64_t width)
{
	return handle >> shift & ((1ULL << width) - 1);
}

static bool count_of(const struct plan *plan, uint32_t handle, int32_t *count)
{
	uint64_t pool = bits_of(handle, plan->pool_shift, plan->pool_bits);
	uint64_t offset = bits_of(handle, plan->offset_shift, plan->offset_bits) << STACK_ALIGN;
	uint64_t record;
	uint32_t found;

	if (pool < plan->pool_bias)
		return false;
	pool -= plan->pool_bias;
	return !image_read(plan->stack_pools + 8 * pool, &record, sizeof(record)) &&
	       !image_read(record + offset + plan->stack_handle, &found, sizeof(found)) &&
	       found == handle &&
	       !image_read(record + offset + plan->stack_count, count, sizeof(*count));
}

void count_stacks(const struct plan *plan)
{
	struct row_file *rows;
	uint64_t lost = 0;

	if (plan->stack_count == ABSENT)
		return;
	rows = rows_begin("stack_counts.rows", sizeof(struct stack_row));
	for (size_t i = 0; i < handles.size; i++) {
		struct stack_row row = { 0 };

		if (!handles.slots[i])
			continue;
		if (count_of(plan, handles.slots[i], &row.count))
			rows_add(rows, handles.slots[i], &row);
		else
			lost++;
	}
	rows_end(rows, lost, true);
	free(handles.slots);
}
