// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles in place of stacks: each distinct stack is numbered, and its number is printed instead of
 * its lines, as the kernel's mode=handle does (print_mode series). Only a record that is understood
 * to its last byte is changed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../page_lines.h"
#include "../strings.h"
#include "../swap_lines.h"
#include "collect.h"

/* "handle: 4294967295\n" */
#define LONGEST_HANDLE 19

static struct {
	pthread_mutex_t lock;
	struct spo_strings *strings;
	uint64_t bytes;
	uint8_t *regular;
} stacks = { .lock = PTHREAD_MUTEX_INITIALIZER };

void stacks_open(void)
{
	uint64_t seed = 0;

	/* Without it, the hashes are only easier to guess. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = 0;
	stacks.strings = spo_strings_new(seed);
	stacks.regular = calloc(1, MAX_STACKS);
	if (!stacks.strings || !stacks.regular)
		die("out of memory", "", "");
}

static place hex_end(place p, place end)
{
	place start = p;

	while (p < end && ((uint8_t)(*p - '0') < 10 || (uint8_t)(*p - 'a') < 6))
		p++;
	return p > start ? p : NULL;
}

/* " [module]\n" or "\n" at p */
static bool ends_frame(place p, place end)
{
	if (end - p > 4 && p[0] == ' ' && p[1] == '[' && end[-2] == ']')
		return !memchr(p + 2, ']', end - 2 - (p + 2));
	return p == end - 1;
}

/* " sym+0x1/0x2 [module]\n" or " 0x1 [module]\n", the whole line from p to end (%pS) */
static bool is_frame(place p, place end)
{
	place start = ++p;

	if (end - p > MAX_FRAME_BYTES)
		return false;
	if (end - p > 2 && IS_AT(p, "0x")) {
		p = hex_end(p + 2, end);
		if (p && ends_frame(p, end))
			return true;
		p = start;
	}
	while (p < end && *p > ' ' && *p != '+')
		p++;
	if (p == start || end - p < 3 || !IS_AT(p, "+0x"))
		return false;
	p = hex_end(p + 3, end);
	if (!p || end - p < 3 || !IS_AT(p, "/0x"))
		return false;
	p = hex_end(p + 3, end);
	return p && ends_frame(p, end);
}

static bool are_frames(place p, place end)
{
	while (p < end) {
		place next = (place)memchr(p, '\n', end - p) + 1;

		if (!is_frame(p, next))
			return false;
		p = next;
	}
	return true;
}

/* The number of a stack from 1; 0 if its record stays as it is. */
static uint32_t number_of(place p, place end)
{
	int64_t count, number = -1;

	pthread_mutex_lock(&stacks.lock);
	count = spo_strings_count(stacks.strings);
	/* Past the limits, records stay as they are. */
	if (count < MAX_STACKS && stacks.bytes + (end - p) < MAX_STACKS_FILE_BYTES / 2)
		number = strings_number(stacks.strings, SPO_STACK, p, end);
	if (number == count) {
		stacks.bytes += end - p;
		stacks.regular[number] = are_frames(p, end);
	}
	if (number >= 0 && !stacks.regular[number])
		number = -1;
	pthread_mutex_unlock(&stacks.lock);
	return number + 1;
}

static bool is_known_line(place p)
{
	return IS_AT(p, "Page has been migrated, last migrate reason: ") ||
	       IS_AT(p, "Slab cache page\n") || IS_AT(p, "Charged ");
}

/* Whether the lines at p are known, and an empty line ends them and the record. */
static bool is_tail(place p, place end)
{
	while (p < end && *p != '\n') {
		if (!is_known_line(p))
			return false;
		p = memchr(p, '\n', end - p);
		if (!p)
			return false;
		p++;
	}
	return p == end - 1;
}

/* The body of a record, and its PFN or swap entry; NULL if its first lines are not understood. */
static place first_lines(enum record_kind kind, place p, place end, uint64_t *number)
{
	if (kind == PAGE_RECORD) {
		struct spo_page_row row = { 0 };
		struct page_spans spans;

		p = page_pfn_line(page_first_line(p, end, &row, &spans), end, &row, &spans);
		*number = row.pfn;
	} else {
		struct spo_swap_row row = { 0 };
		place comm, comm_stop;

		p = swap_first_lines(p, &row, &comm, &comm_stop);
		*number = row.swp_entry;
	}
	return p && p < end ? p : NULL;
}

bool record_number(enum record_kind kind, const uint8_t *record, size_t size, int64_t *number)
{
	uint64_t found;
	bool understood = first_lines(kind, record, record + size, &found);

	*number = (int64_t)found;
	return understood && *number >= 0;
}

static size_t handle_line(uint8_t *to, uint32_t number)
{
	char digits[10];
	size_t length = 0;

	memcpy(to, "handle: ", 8);
	do
		digits[length++] = '0' + number % 10;
	while (number /= 10);
	for (size_t i = 0; i < length; i++)
		to[8 + i] = digits[length - 1 - i];
	to[8 + length] = '\n';
	return 8 + length + 1;
}

/*
 * Replace the stack of a record, in place, and return the record's new size. SPO_PADDING bytes
 * after the record must be readable.
 */
size_t stacks_replace(enum record_kind kind, uint8_t *record, size_t size)
{
	place end = record + size;
	uint64_t ignored;
	place from = first_lines(kind, record, end, &ignored), to;
	uint8_t line[LONGEST_HANDLE];
	size_t length;
	uint32_t number;

	if (size > LONGEST_RECORD || !from || *from != ' ')
		return size;
	to = frames_end(from, end);
	if (to >= end || !is_tail(to, end))
		return size;
	number = number_of(from, to);
	if (!number)
		return size;
	length = handle_line(line, number);
	if (length > (size_t)(to - from))
		return size;
	memcpy((uint8_t *)from, line, length);
	memmove((uint8_t *)from + length, to, end - to);
	return size - (to - from) + length;
}

/* Whether a record of page_owner has a handle: in print_mode, the kernel writes it itself. */
bool prints_handle(const uint8_t *record, size_t size)
{
	uint64_t ignored;
	place end = record + size, p = first_lines(PAGE_RECORD, record, end, &ignored);

	if (!p)
		return false;
	p = frames_end(p, end);
	return p < end && handle_end(p) > p;
}

/* Write show_stacks_handles: the stack of each number, as the kernel prints it (6.19). */
void stacks_write(void)
{
	int64_t count = spo_strings_count(stacks.strings);
	struct packer *packer = packer_new();
	struct archive_file file;

	gzip_begin(&file, "show_stacks_handles");
	packer_begin(packer, gzip_write, &file);
	for (int64_t number = 0; number < count; number++) {
		uint8_t line[LONGEST_HANDLE + 1];
		int64_t length;
		int32_t kind;
		const uint8_t *text = spo_string(stacks.strings, number, &length, &kind);
		size_t size;

		if (!stacks.regular[number])
			continue;
		packer_add(packer, text, length);
		size = handle_line(line, number + 1);
		line[size] = '\n';
		packer_add(packer, line, size + 1);
	}
	packer_end(packer);
	packer_free(packer);
	gzip_end(&file, true);
}
