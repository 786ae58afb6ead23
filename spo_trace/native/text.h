/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pieces of text. Each takes where it begins; those that find an end return it, or NULL if there is no such piece.
 * None looks further past the block's end than SPO_PADDING.
 */
#ifndef SPO_TEXT_H
#define SPO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef const uint8_t *place;

/* Is the literal at p? Short ones become one comparison of words. */
#define IS_AT(p, literal) (memcmp((p), (literal), sizeof(literal) - 1) == 0)
#define AFTER(p, literal) (IS_AT(p, literal) ? (p) + sizeof(literal) - 1 : NULL)

/* Of so many digits all numbers fit: 63 bits (a free_ts_nsec of -1 stands for none), and 64. */
#define MAX_DIGITS 18
#define MAX_HEX_DIGITS 16

static inline bool starts_record(place p)
{
	return IS_AT(p, "Page allocated via ");
}

static inline place decimal(place p, uint64_t *value)
{
	place start = p;
	uint64_t sum = 0;

	for (; (uint8_t)(*p - '0') < 10; p++) {
		if (p - start == MAX_DIGITS)
			return NULL;
		sum = sum * 10 + (*p - '0');
	}
	*value = sum;
	return p > start ? p : NULL;
}

static inline place hexadecimal(place p, uint64_t *value)
{
	place start = p;
	uint64_t sum = 0;

	for (;; p++) {
		uint8_t digit = *p - '0';

		if (digit >= 10) {
			digit = *p - 'a';
			if (digit >= 6)
				break;
			digit += 10;
		}
		if (p - start == MAX_HEX_DIGITS)
			return NULL;
		sum = sum << 4 | digit;
	}
	*value = sum;
	return p > start ? p : NULL;
}

static inline place pid_number(place p, int32_t *value)
{
	bool negative = *p == '-';
	place start = p + negative;
	uint64_t sum;

	p = decimal(start, &sum);
	if (!p || p - start > 9)
		return NULL;
	*value = negative ? -(int32_t)sum : (int32_t)sum;
	return p;
}

/* The comm that begins here ends at the last "), ts " within reach of its 15 bytes; no NUL before that. */
static inline place comm_end(place p)
{
	for (int length = 15; length >= 0; length--)
		if (p[length] == ')' && IS_AT(p + length, "), ts "))
			return memchr(p, 0, length) ? NULL : p + length;
	return NULL;
}

static inline place word_end(place p)
{
	while (*p > ' ')
		p++;
	return p;
}

/* The ")" of names in parentheses; NULL if another parenthesis or a line's end comes before it. */
static inline place names_end(place p, place end)
{
#ifdef __SSE2__
	const __m128i open = _mm_set1_epi8('('), close = _mm_set1_epi8(')'), newline = _mm_set1_epi8('\n');

	for (; p < end; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, open), _mm_cmpeq_epi8(bytes, close)),
					     _mm_cmpeq_epi8(bytes, newline));
		unsigned int bits = _mm_movemask_epi8(found);

		if (bits) {
			p += __builtin_ctz(bits);
			return p < end && *p == ')' ? p : NULL;
		}
	}
#else
	for (; p < end && *p != '(' && *p != '\n'; p++)
		if (*p == ')')
			return p;
#endif
	return NULL;
}

/* After the lines that begin with a space; at or past the end if the text ends in one. */
static inline place frames_end(place p, place end)
{
	if (p >= end || *p != ' ')
		return p;
#ifdef __SSE2__
	const __m128i newline = _mm_set1_epi8('\n'), space = _mm_set1_epi8(' ');

	for (; p < end; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i next = _mm_loadu_si128((const __m128i *)(p + 1));
		unsigned int bits = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(next, space),
								       _mm_cmpeq_epi8(bytes, newline)));

		if (bits)
			return p + __builtin_ctz(bits) + 1;
	}
	return end;
#else
	while (p < end && *p == ' ') {
		p = memchr(p, '\n', end - p);
		if (!p)
			return end;
		p++;
	}
	return p;
#endif
}

/* After the empty line that ends a record; NULL if another one begins, or the text ends, before it. */
static inline place tail_end(place p, place end)
{
	while (p < end) {
		if (*p == '\n')
			return p + 1;
		if (IS_AT(p, "Page all"))
			return NULL;
		p = memchr(p, '\n', end - p);
		if (!p)
			return NULL;
		p++;
	}
	return NULL;
}

/* Where the next record begins after this one's first line, end if none does. */
static inline place next_start(place p, place end)
{
	while ((p = memchr(p, '\n', end - p)) && ++p < end)
		if (starts_record(p))
			return p;
	return end;
}

static inline int64_t count_newlines(place p, place end)
{
	int64_t count = 0;

	for (; p < end; p++)
		count += *p == '\n';
	return count;
}

#endif
