// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How far reading is, for the program that runs this one (-p), and for the capture the files
 * `reads` and `pids`: when each file was read, and by which processes.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect.h"

/* Reports are for people. */
#define INTERVAL_MS 100

/* More than read page_owner_stacks and compress. */
#define MAX_PROCESSES 16
#define MAX_READS 8

static struct {
	int fd;
	bool is_terminal;
	int64_t last_pfn;
	int64_t started_ms;
	int64_t reported_ms;
	int reads;
	struct {
		const char *name;
		int64_t began_ms;
		int64_t took_ms;
		uint64_t repeated;
	} read[MAX_READS];
	int processes;
	pid_t pids[MAX_PROCESSES];
} state = { .fd = -1 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void progress_open(const struct options *options)
{
	state.fd = options->progress;
	/* Only spo-trace itself has the terminal. */
	state.is_terminal = options->command && state.fd >= 0 && isatty(state.fd);
	state.last_pfn = options->last_pfn;
	state.started_ms = now_ms();
	progress_child(getpid());
}

/* As cli/output.py draws it. */
static void draw(struct lines *line, const char *name, int64_t position)
{
	int64_t share = state.last_pfn > 0 ? 100 * position / state.last_pfn : 0;

	put(line, "\r\033[Kreading ");
	put(line, name);
	put(line, ":");
	if (state.last_pfn > 0 && strcmp(name, "page_owner") == 0) {
		put(line, share < 10 ? "   " : share < 100 ? "  " : " ");
		put_number(line, share < 100 ? share : 100);
		put(line, "%");
	}
}

static void report(const char *name, int64_t position)
{
	struct lines line = { .fd = state.fd };

	if (state.fd < 0)
		return;
	state.reported_ms = now_ms();
	if (state.is_terminal) {
		draw(&line, name, position);
	} else {
		put(&line, name);
		put(&line, " ");
		put_number(&line, position);
		put(&line, "\n");
	}
	/* Whoever runs this program has ended, and with it the reason to read. */
	if (!write_all(line.fd, line.text, line.used))
		die("nobody reads the progress any more", "", "");
}

struct reading progress_begin(const char *name)
{
	report(name, 0);
	return (struct reading){ name, now_ms() };
}

/* `position`: of the next record, negative if it is unknown */
void progress_at(const char *name, int64_t position)
{
	if (position >= 0 && state.fd >= 0 && now_ms() - state.reported_ms >= INTERVAL_MS)
		report(name, position);
}

void progress_end(const struct reading *reading, uint64_t repeated)
{
	if (state.reads == MAX_READS)
		return;
	state.read[state.reads].name = reading->name;
	state.read[state.reads].began_ms = reading->began_ms - state.started_ms;
	state.read[state.reads].took_ms = now_ms() - reading->began_ms;
	state.read[state.reads].repeated = repeated;
	state.reads++;
}

void progress_child(pid_t pid)
{
	if (state.processes < MAX_PROCESSES)
		state.pids[state.processes++] = pid;
}

/* NAME, when reading it began and how long it took (ms), and how many reads were repeated */
static void write_reads(void)
{
	struct lines lines = { .fd = output_begin("reads") };

	for (int i = 0; i < state.reads; i++) {
		put(&lines, state.read[i].name);
		put(&lines, " ");
		put_number(&lines, state.read[i].began_ms);
		put(&lines, " ");
		put_number(&lines, state.read[i].took_ms);
		put(&lines, " ");
		put_number(&lines, state.read[i].repeated);
		put(&lines, "\n");
	}
	put_flush(&lines);
	output_end(lines.fd, true);
}

void progress_write(void)
{
	struct lines lines = { 0 };

	write_reads();
	lines.fd = output_begin("pids");
	for (int i = 0; i < state.processes; i++) {
		put_number(&lines, state.pids[i]);
		put(&lines, "\n");
	}
	put_flush(&lines);
	output_end(lines.fd, true);
}
