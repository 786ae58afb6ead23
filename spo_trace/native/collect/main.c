// SPDX-License-Identifier: LGPL-2.1-or-later
/* The options, and the order in which everything is read. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect.h"

/* More readers do not finish earlier: one of them at a time writes. */
#define MAX_READERS 8
#define MAX_SECONDS 86400

static const char usage[] =
	"usage: spo-collect [-j READERS] [-t SECONDS] [-r ROOT] [-m PLAN] [-p FD] [DIRECTORY]\n"
	"\n"
	"Copy what spo-trace reads of this machine's kernel into the new directory DIRECTORY,\n"
	"or as a tar archive to standard output. Only root can read debugfs.\n"
	"\n"
	"  -j READERS  parallel readers of page_owner (1)\n"
	"  -t SECONDS  give up page_owner_stacks if it gives no data for so long (10)\n"
	"  -r ROOT     read a tree of copied files instead\n"
	"  -m PLAN     read owners from memory; spo-trace makes the plan, and reads the result\n"
	"  -p FD       write lines 'FILE POSITION' to this descriptor while reading\n"
	"\n"
	"On a machine with spo-trace: ssh root@HOST spo-collect | spo-trace report -\n";

static const char *const before[][2] = {
	{ "cmdline", "proc/cmdline" },
	{ "version", "proc/version" },
	{ "boot_id", "proc/sys/kernel/random/boot_id" },
	{ "block_size_bytes", "sys/devices/system/memory/block_size_bytes" },
	{ "modules", "proc/modules" },
	{ "slabinfo", "proc/slabinfo" },
	{ "allocinfo", "proc/allocinfo" },
	{ "pagetypeinfo", "proc/pagetypeinfo" },
	{ "buddyinfo", "proc/buddyinfo" },
	{ "uptime", "proc/uptime" },
	{ "swaps", "proc/swaps" },
	{ "zoneinfo", "proc/zoneinfo" },
	{ "vmstat", "proc/vmstat" },
	{ "meminfo", "proc/meminfo" },
};

static int number(const char *text, int least, int most)
{
	char *end;
	long found = strtol(text, &end, 10);

	if (*end || end == text || found < least || found > most)
		die(text, " is out of range", "");
	return found;
}

static int milliseconds(const char *text)
{
	char *end;
	double found = strtod(text, &end);

	if (*end || end == text || !(found >= 0.001 && found <= MAX_SECONDS))
		die(text, " is out of range", "");
	return (int)(1000 * found);
}

/* -l, -e and -x are for spo-trace alone: see then.c. */
static void parse(int argc, char **argv, struct options *options)
{
	static char root[PATH_BYTES];
	bool has_command = false;
	int letter;

	while ((letter = getopt(argc, argv, "j:t:r:m:p:l:e:xh")) != -1) {
		if (letter == 'j') {
			options->readers = number(optarg, 1, MAX_READERS);
		} else if (letter == 't') {
			options->timeout_ms = milliseconds(optarg);
		} else if (letter == 'm') {
			options->plan = optarg;
		} else if (letter == 'p') {
			options->progress = number(optarg, 0, INT_MAX);
		} else if (letter == 'l') {
			options->last_pfn = atol(optarg);
		} else if (letter == 'e') {
			options->messages = number(optarg, 0, INT_MAX);
		} else if (letter == 'x') {
			has_command = true;
		} else if (letter == 'r') {
			options->root = realpath(optarg, root);
			if (!options->root)
				die(optarg, ": there is no such directory", "");
		} else {
			bool asked = letter == 'h';

			write_all(asked ? STDOUT_FILENO : STDERR_FILENO, usage, sizeof(usage) - 1);
			exit(asked ? 0 : 2);
		}
	}
	if (has_command ? argc - optind < 2 : argc - optind > 1)
		die("name one directory", "", "");
	options->target = argv[optind];
	if (has_command)
		options->command = argv + optind + 1;
	if (strcmp(options->root, "/") == 0)
		options->root = "";
}

/* Of a copied tree, these files are under the names that a capture has. */
static void read_again(const struct options *options)
{
	bool copied = *options->root;

	copy_file(options, "meminfo-after", copied ? "proc/meminfo-after" : "proc/meminfo");
	copy_file(options, "uptime-after", copied ? "proc/uptime-after" : "proc/uptime");
}

static bool read_owners(const struct options *options)
{
	char debugfs[PATH_BYTES], path[PATH_BYTES];
	enum handles_of handles = HANDLES_OF_COLLECTOR;
	bool found;

	find_debugfs(options, debugfs);
	stacks_open();
	if (!join_path(path, debugfs, "page_owner"))
		die(debugfs, ": the name is too long", "");
	found = records_copy(options, PAGE_RECORD, path, &handles);
	/* Right after page_owner, as the two are compared. */
	copy_stacks(options, "show_stacks", debugfs);
	copy_numbers(options, "kpagecgroup", "proc/kpagecgroup");
	join_path(path, debugfs, "swap_page_owner");
	records_copy(options, SWAP_RECORD, path, &handles);
	if (handles == HANDLES_OF_KERNEL) {
		copy_stacks(options, "show_stacks_handles", debugfs);
		copy_stacks(options, "show_handles", debugfs);
		output_text("handles", "kernel\n");
	} else {
		stacks_write();
		output_text("handles", "collector\n");
	}
	return found;
}

int main(int argc, char **argv)
{
	struct options options = {
		.root = "",
		.readers = 1,
		.timeout_ms = 10000,
		.progress = -1,
		.messages = -1,
	};
	bool found;

	parse(argc, argv, &options);
	if (options.command)
		collect_in_child(&options);
	umask(077);
	progress_open(&options);
	output_open(options.target);
	system_facts(&options);
	list_processes(&options);
	list_cgroups(&options);
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		copy_file(&options, before[i][0], before[i][1]);
	found = options.plan ? memory_copy(&options) : read_owners(&options);
	progress_write();
	read_again(&options);
	output_commit();
	if (!found && !options.plan)
		warn("page_owner could not be read: is this root, is debugfs mounted, ",
		     "and was the kernel booted with page_owner=on?", "");
	return !found;
}
