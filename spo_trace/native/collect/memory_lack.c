// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reads of page_owner that fail with ENOMEM: the kernel is out of memory, or the record does not
 * fit its buffer (read_page_owner(), mm/page_owner.c). The position does not advance. The first
 * error passes, and meanwhile all records fail; the second is permanent, and others can be read.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"

/* As in limits.py, which gives the reasons. */
#define FIRST_PAUSE_US 1000
#define MAX_PAUSES 11

/* Within this distance of a record that is too large, no readable record is missed. */
#define NEAR (1 << 13)

/* How often another record must be readable, and this one not. */
#define ROUNDS 3

static bool is_readable(int fd, uint8_t *room, int64_t position)
{
	ssize_t got;

	do
		got = pread(fd, room, LONGEST_RECORD, position);
	while (got < 0 && errno == EINTR);
	return got >= 0 || errno != ENOMEM;
}

static bool is_too_large(const struct lack *lack, int fd, uint8_t *room, int64_t position)
{
	if (lack->known < 0)
		return lack->has_waited;
	for (int i = 0; i < ROUNDS; i++)
		if (!is_readable(fd, room, lack->known) || is_readable(fd, room, position))
			return false;
	return true;
}

static void wait_us(int64_t us)
{
	struct timespec pause = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		;
}

/* Whether the position can be read at last, or never (LACK_SKIPPED). */
static enum lack_found try_at(struct lack *lack, int fd, uint8_t *room, int64_t position)
{
	int64_t pause = FIRST_PAUSE_US;

	for (int i = 0; i <= MAX_PAUSES; i++) {
		if (is_readable(fd, room, position))
			return LACK_PASSED;
		if (is_too_large(lack, fd, room, position))
			return LACK_SKIPPED;
		if (lack->left_us < pause)
			break;
		lack->left_us -= pause;
		wait_us(pause);
		pause *= 2;
	}
	/* A first record that is too large looks like a lack of memory. */
	if (lack->known < 0 && !lack->has_waited) {
		lack->has_waited = true;
		return LACK_SKIPPED;
	}
	return LACK_LASTS;
}

/*
 * The first position after `bad` that can be read, `end` + 1 if there is none up to `end`; -1 if
 * the kernel stays out of memory. Mostly it is near; a large hole is crossed in growing steps.
 */
static int64_t first_readable(struct lack *lack, int fd, uint8_t *room, int64_t bad, int64_t end)
{
	int64_t step = 1, good = bad;
	enum lack_found found;

	for (int64_t near = bad + NEAR; bad < near && bad < end; bad++) {
		found = try_at(lack, fd, room, bad + 1);
		if (found != LACK_SKIPPED)
			return found == LACK_PASSED ? bad + 1 : -1;
	}
	for (;; step *= 2) {
		good = step > end - bad ? end + 1 : bad + step;
		if (good > end)
			break;
		found = try_at(lack, fd, room, good);
		if (found == LACK_LASTS)
			return -1;
		if (found == LACK_PASSED)
			break;
		bad = good;
	}
	while (good - bad > 1) {
		int64_t middle = bad + (good - bad) / 2;

		found = try_at(lack, fd, room, middle);
		if (found == LACK_LASTS)
			return -1;
		*(found == LACK_PASSED ? &good : &bad) = middle;
	}
	return good;
}

/*
 * Wait until the record at a position can be read, or step over it if it is too large: then the
 * position is the next one that can be read, past `end` if there is none.
 */
enum lack_found lack_pass(struct lack *lack, int fd, uint8_t *room, int64_t *position, int64_t end)
{
	enum lack_found found = try_at(lack, fd, room, *position);

	if (found != LACK_SKIPPED)
		return found;
	*position = first_readable(lack, fd, room, *position, end);
	if (*position < 0)
		return LACK_LASTS;
	/* Past the end, it is in a later range, which counts it. */
	lack->too_large += *position <= end;
	return LACK_SKIPPED;
}
