// SPDX-License-Identifier: LGPL-2.1-or-later
/* Facts about the machine that no file has. */
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"

#define SECONDS_OF_DAY 86400
#define DAYS_OF_4_YEARS (4 * 365)
#define DAYS_OF_100_YEARS (100 * 365 + 24)
#define DAYS_OF_400_YEARS (400 * 365 + 97)

/* From 0000-03-01 */
#define DAYS_BEFORE_1970 719468

static void put_two(struct lines *lines, const char *before, unsigned int number)
{
	put(lines, before);
	if (number < 10)
		put(lines, "0");
	put_number(lines, number);
}

/*
 * In UTC, as in 2026-11-29T04:00:00Z. strftime() would link the readers of time zone files, and
 * make this program larger by an eighth.
 *
 * Years are counted from March, so that a leap day is the last of its year: 365 days, one more in
 * each 4th year, but not in each 100th, except for each 400th.
 */
static void put_date(struct lines *lines)
{
	uint64_t seconds = time(NULL);
	uint64_t days = seconds / SECONDS_OF_DAY + DAYS_BEFORE_1970;
	unsigned int second = seconds % SECONDS_OF_DAY, day = days % DAYS_OF_400_YEARS;
	unsigned int year = (day - day / DAYS_OF_4_YEARS + day / DAYS_OF_100_YEARS -
			     day / (DAYS_OF_400_YEARS - 1)) / 365;
	unsigned int month;

	day -= 365 * year + year / 4 - year / 100;
	/* Five months from March have 153 days (31, 30, 31, 30, 31), and so have the next five. */
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	put_number(lines, 400 * (days / DAYS_OF_400_YEARS) + year + (month < 3));
	put_two(lines, "-", month);
	put_two(lines, "-", day + 1);
	put_two(lines, "T", second / 3600);
	put_two(lines, ":", second / 60 % 60);
	put_two(lines, ":", second % 60);
	put(lines, "Z\n");
}

static void put_uname(struct lines *lines)
{
	struct utsname name;
	const char *const words[] = { name.sysname, name.nodename, name.release, name.version,
				      name.machine };

	uname(&name);
	for (int i = 0; i < 5; i++) {
		put(lines, i ? " " : "");
		put(lines, words[i]);
	}
	put(lines, "\n");
}

static void put_page_size(struct lines *lines)
{
	put_number(lines, sysconf(_SC_PAGESIZE));
	put(lines, "\n");
}

/* Of a copied tree, they are in files, as in a capture. */
void system_facts(const struct options *options)
{
	static const struct {
		const char *name;
		void (*put)(struct lines *lines);
	} facts[] = { { "date", put_date }, { "uname", put_uname }, { "pagesize", put_page_size } };
	struct lines lines = { 0 };

	for (int i = 0; i < 3; i++) {
		if (*options->root) {
			copy_file(options, facts[i].name, facts[i].name);
			continue;
		}
		lines.fd = output_begin(facts[i].name);
		facts[i].put(&lines);
		put_flush(&lines);
		output_end(lines.fd, true);
	}
}
