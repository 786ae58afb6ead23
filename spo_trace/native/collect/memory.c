// SPDX-License-Identifier: LGPL-2.1-or-later
/* page_owner and swap_page_owner out of kernel memory, by a plan. */
#include <stdlib.h>

#include "memory.h"

/* Whether the owners of pages could be read; page_owner.err tells why not. */
bool memory_copy(const struct options *options)
{
	struct plan plan;
	bool found;

	plan_read(&plan, options->plan);
	found = image_open(options, &plan) && page_rows(&plan);
	if (found && plan.xarray != ABSENT)
		swap_rows(&plan);
	free(plan.segments);
	output_text("handles", "kernel\n");
	return found;
}
