/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers for pieces of text. Each takes the position at which its piece begins and returns the
 * position after it, or NULL if there is no such piece. The functions that parse one piece of a
 * line return NULL for NULL, so that a caller can chain them and check the result once. They read
 * at most SPO_PADDING bytes past the end of the block.
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

/*
 * Numbers with so many digits always fit: decimal ones in 63 bits (free_ts_nsec is signed),
 * hexadecimal ones in 64 bits.
 */
#define MAX_DIGITS 18
#define MAX_HEX_DIGITS 16

/* Whether the literal is at p. Compilers turn short literals into one comparison of words. */
#define IS_AT(p, literal) (memcmp((p), (literal), sizeof(literal) - 1) == 0)
#define AFTER(p, literal) after((p), (literal), sizeof(literal) - 1)

static inline place after(place p, const char *literal, size_t length)
{
	return p && memcmp(p, literal, length) == 0 ? p + length : NULL;
}

static inline bool starts_record(place p)
{
	return IS_AT(p, "Page allocated via ");
}

static inline uint64_t word(place p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Eight bytes as a number whose lowest byte is the first, on any machine. */
static inline uint64_t eight_bytes(place p)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word(p));
#else
	return word(p);
#endif
}

/* Bit 7 of each byte that is not a digit; bits above the first of them are undefined. */
static inline uint64_t not_digits(uint64_t text)
{
	uint64_t values = text ^ 0x3030303030303030u;

	return ((values + 0x7676767676767676u) | values) & 0x8080808080808080u;
}

/* The value of eight digits: neighbours are joined to two, four and eight digits. */
static inline uint64_t eight_digits(uint64_t text)
{
	text = (text & 0x0f0f0f0f0f0f0f0fu) * (10 * 0x100 + 1) >> 8;
	text = (text & 0x00ff00ff00ff00ffu) * (100 * 0x10000u + 1) >> 16;
	return (text & 0x0000ffff0000ffffu) * (10000 * 0x100000000u + 1) >> 32;
}

static inline place decimal(place p, uint64_t *value)
{
	static const uint32_t tens[] = { 1,	10,	 100,	   1000,    10000,
					 100000, 1000000, 10000000, 100000000 };
	place start = p;
	uint64_t sum = 0;
	int digits;

	if (!p)
		return NULL;
	do {
		uint64_t text = eight_bytes(p), others = not_digits(text);

		digits = others ? __builtin_ctzll(others) / 8 : 8;
		/* Zeros before the digits change nothing; a shift by 64 is undefined. */
		sum = sum * tens[digits] +
		      (digits ? eight_digits(text << (64 - 8 * digits)) : 0);
		p += digits;
	} while (digits == 8 && p - start <= MAX_DIGITS);
	*value = sum;
	return p > start && p - start <= MAX_DIGITS ? p : NULL;
}

static inline bool is_hexadecimal(uint8_t byte)
{
	return (uint8_t)(byte - '0') < 10 || (uint8_t)(byte - 'a') < 6;
}

static inline place hexadecimal(place p, uint64_t *value)
{
	place start = p;
	uint64_t sum = 0;

	if (!p)
		return NULL;
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

/* The end of the hexadecimal digits at p, whose value nobody needs. */
static inline place hexadecimal_end(place p)
{
#ifdef __SSE2__
	__m128i bytes, digit, letter;
	unsigned int others;

	if (!p)
		return NULL;
	bytes = _mm_loadu_si128((const __m128i *)p);
	digit = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
	letter = _mm_sub_epi8(bytes, _mm_set1_epi8('a'));
	digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
	others = ~(unsigned int)_mm_movemask_epi8(_mm_or_si128(digit, letter));
	p += __builtin_ctz(others);
	return others & 1 || (!(others & 0xffff) && is_hexadecimal(*p)) ? NULL : p;
#else
	uint64_t ignored;

	return hexadecimal(p, &ignored);
#endif
}

static inline place pid_number(place p, int32_t *value)
{
	bool negative;
	uint64_t sum;
	place start;

	if (!p)
		return NULL;
	negative = *p == '-';
	start = p + negative;
	p = decimal(start, &sum);
	if (!p || p - start > 9)
		return NULL;
	*value = negative ? -(int32_t)sum : (int32_t)sum;
	return p;
}

/*
 * The end of the comm that begins at p: the last "), ts " within 15 bytes, as a comm may contain
 * this text. NULL if there is none, or if the comm contains a NUL.
 */
static inline place comm_end(place p)
{
	if (!p)
		return NULL;
#ifdef __SSE2__
	__m128i bytes = _mm_loadu_si128((const __m128i *)p);
	unsigned int closing = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(')')));
	unsigned int nul = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));

	while (closing) {
		int length = 31 - __builtin_clz(closing);

		if (IS_AT(p + length, "), ts "))
			return nul & ((1u << length) - 1) ? NULL : p + length;
		closing &= ~(1u << length);
	}
#else
	for (int length = 15; length >= 0; length--)
		if (p[length] == ')' && IS_AT(p + length, "), ts "))
			return memchr(p, 0, length) ? NULL : p + length;
#endif
	return NULL;
}

/* The end of a word of at least one byte: of bytes above the space. */
static inline place word_end(place p)
{
	place start = p;

	if (!p)
		return NULL;
#ifdef __SSE2__
	const __m128i least = _mm_set1_epi8(' ' + 1);

	for (;; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i inside = _mm_cmpeq_epi8(_mm_max_epu8(bytes, least), bytes);
		unsigned int others = 0xffff & ~_mm_movemask_epi8(inside);

		if (others) {
			p += __builtin_ctz(others);
			break;
		}
	}
#else
	while (*p > ' ')
		p++;
#endif
	return p > start ? p : NULL;
}

/*
 * The ")" that closes the parentheses at p. NULL if another parenthesis or the end of the line
 * comes first.
 */
static inline place parentheses_end(place p, place end)
{
	if (!p || *p++ != '(')
		return NULL;
#ifdef __SSE2__
	const __m128i open = _mm_set1_epi8('('), close = _mm_set1_epi8(')');
	const __m128i newline = _mm_set1_epi8('\n');

	for (; p < end; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i found = _mm_cmpeq_epi8(bytes, newline);
		unsigned int bits;

		found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, open));
		found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, close));
		bits = _mm_movemask_epi8(found);
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

/* The end of the lines that begin with a space; at or past `end` if the text ends in them. */
static inline place frames_end(place p, place end)
{
	if (p >= end || *p != ' ')
		return p;
#ifdef __SSE2__
	const __m128i newline = _mm_set1_epi8('\n'), space = _mm_set1_epi8(' ');

	for (; p < end; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		__m128i next = _mm_loadu_si128((const __m128i *)(p + 1));
		__m128i found = _mm_andnot_si128(_mm_cmpeq_epi8(next, space),
						 _mm_cmpeq_epi8(bytes, newline));
		unsigned int bits = _mm_movemask_epi8(found);

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

/* The end of "handle: 1\n" at p, with a handle of 32 bits; p if there is no such line. */
static inline place handle_end(place p)
{
	place start = AFTER(p, "handle: ");
	uint64_t handle = 0;
	place stop = decimal(start, &handle);

	if (!stop || stop - start > 10 || handle > UINT32_MAX || *stop != '\n')
		return p;
	return stop + 1;
}

/*
 * The end of the empty line that ends a record; NULL if another record or the end of the text comes
 * first.
 */
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

/* The start of the record after the one at p; `end` if there is none. */
static inline place next_start(place p, place end)
{
	while (p < end) {
		p = memchr(p, '\n', end - p);
		if (!p)
			break;
		p++;
		if (p < end && starts_record(p))
			return p;
	}
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
