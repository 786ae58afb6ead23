// SPDX-License-Identifier: LGPL-2.1-or-later
/* Called by code that is compiled with -fsanitize-coverage=trace-pc, once for each block of it; compiled without. */
#include <stdint.h>

uint64_t steps;

void __sanitizer_cov_trace_pc(void)
{
	steps++;
}
