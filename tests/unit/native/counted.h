/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Included before the sources of the scanner to count its steps. The compiler
 * (-fsanitize-coverage=trace-pc) counts each basic block that is executed. memchr() is a loop here,
 * so that each byte it searches counts too.
 */
#ifndef COUNTED_H
#define COUNTED_H

#define _POSIX_C_SOURCE 200809L /* as in window.c, before the first header */
#include <stddef.h>
#include <string.h>

static inline void *counted_memchr(const void *start, int byte, size_t length)
{
	const unsigned char *p = start;

	for (; length; p++, length--)
		if (*p == (unsigned char)byte)
			return (void *)p;
	return NULL;
}

#define memchr counted_memchr

#endif
