// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Code compiled with -fsanitize-coverage=trace-pc calls this once for each basic block. This file
 * is compiled without it.
 */
#include <stdint.h>

uint64_t steps;

void __sanitizer_cov_trace_pc(void)
{
	steps++;
}
