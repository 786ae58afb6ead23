// SPDX-License-Identifier: LGPL-2.1-or-later
/* page_owner and swap_page_owner out of kernel memory, by a plan. */
#include <stdlib.h>

#include "memory.h"

static bool copy_pages(const struct plan *plan)
{
	struct reading reading = progress_begin("page_owner");
	bool found = page_rows(plan);

	progress_end(&reading, 0);
	return found;
}

static void copy_swap(const struct plan *plan)
{
	struct reading reading = progress_begin("swap_page_owner");

	swap_rows(plan);
	progress_end(&reading, 0);
}

static void copy_counts(const struct plan *plan)
{
	struct reading reading = progress_begin("show_handles");

	count_stacks(plan);
	progress_end(&reading, 0);
}

/* Whether the owners of pages could be read; page_owner.err tells why not. */
bool memory_copy(const struct options *options)
{
	struct plan plan;
	bool found;

	plan_read(&plan, options->plan);
	found = image_open(options, &plan) && copy_pages(&plan);
	if (found && plan.xarray != ABSENT)
		copy_swap(&plan);
	if (found)
		copy_counts(&plan);
	free(plan.segments);
	output_text("handles", "kernel\n");
	return found;
}
