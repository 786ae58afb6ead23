/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scanner is compiled with this before its sources to count its steps: the compiler (-fsanitize-coverage=trace-pc)
 * counts each block of code that is executed, and the C library's searches are loops here, so that their bytes count.
 */
#ifndef COUNTED_H
#define COUNTED_H

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
