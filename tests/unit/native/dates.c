// SPDX-License-Identifier: LGPL-2.1-or-later
/* Print the date that the collector writes at each of the given times, in seconds since 1970. */
#include <stdlib.h>
#include <time.h>

static time_t now;

static time_t given(time_t *unused)
{
	(void)unused;
	return now;
}

#define time(unused) given(unused)
#include "../../../spo_trace/native/collect/system_facts.c"

int output_begin(const char *name)
{
	(void)name;
	return STDOUT_FILENO;
}

void output_end(int fd, bool kept)
{
	(void)fd;
	(void)kept;
}

void output_discard(void)
{
}

void copy_file(const struct options *options, const char *name, const char *path)
{
	(void)options;
	(void)name;
	(void)path;
}

int main(int argc, char **argv)
{
	struct lines lines = { .fd = STDOUT_FILENO };

	for (int i = 1; i < argc; i++) {
		now = strtoll(argv[i], NULL, 10);
		put_date(&lines);
	}
	put_flush(&lines);
	return 0;
}
