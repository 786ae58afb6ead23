// SPDX-License-Identifier: LGPL-2.1-or-later
/* The processes and the cgroups, each with what can be compared with owners of pages. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect.h"

/* /proc/PID/status has 1.5 KB, and more if the machine has many processors. */
#define STATUS_BYTES (64 << 10)

/* Cgroups that are nested deeper are left out; systemd nests to about 8. */
#define MAX_DEPTH 64

/*
 * To print smaps_rollup, the kernel walks the page tables, and holds mmap_lock meanwhile: of a
 * process of 1 GiB for about 10 ms. A larger process could notice.
 */
#define WALKED_KIB (1 << 20)

/* starttime is the 22nd field of /proc/PID/stat, and the 20th after the comm. */
#define FIELDS_AFTER_COMM 20

static bool read_text(int directory, const char *name, char *text, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 0;

	if (fd < 0)
		return false;
	do {
		used += got;
		got = read(fd, text + used, size - 1 - used);
	} while (got > 0);
	close(fd);
	text[used] = 0;
	return used > 0;
}

/* Return the line of a text that begins with `key`, NULL without one. */
static const char *find_line(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text && strncmp(text, key, length) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}

static void put_line(struct lines *lines, const char *text, const char *key)
{
	text = find_line(text, key);
	if (text)
		put_bytes(lines, text, strcspn(text, "\n"));
	if (text)
		put(lines, "\n");
}

static void put_value(struct lines *lines, const char *key, const char *text, const char *end)
{
	put(lines, key);
	put_bytes(lines, text, strcspn(text, end));
	put(lines, "\n");
}

static void put_start_time(struct lines *lines, const char *stat)
{
	const char *p = strrchr(stat, ')');

	for (int i = 0; p && i < FIELDS_AFTER_COMM; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (p)
		put_value(lines, "StartTime:\t", p, "\n ");
}

/* The hierarchy of cgroup 2 has the number 0. */
static void put_cgroup(struct lines *lines, const char *text)
{
	text = find_line(text, "0::");
	if (text)
		put_value(lines, "Cgroup:\t", text + 3, "\n");
}

/* Return the number of a line of /proc/PID/status, such as `VmSwap:\t      16 kB`; 0 without it. */
static unsigned long kib_of(const char *status, const char *key)
{
	const char *line = find_line(status, key);

	return line ? strtoul(line + strlen(key), NULL, 10) : 0;
}

/* The part of VmSwap that is the process's own: processes share swap after fork(2). */
static void put_swap_share(struct lines *lines, int directory, char *text)
{
	unsigned long swap = kib_of(text, "VmSwap:");

	if (swap && swap + kib_of(text, "VmRSS:") <= WALKED_KIB &&
	    read_text(directory, "smaps_rollup", text, STATUS_BYTES))
		put_line(lines, text, "SwapPss:");
}

/* A process may end at any time: then it is left out, or has fewer lines. */
static void put_process(struct lines *lines, int proc, const char *pid, char *text)
{
	int directory = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return;
	if (read_text(directory, "status", text, STATUS_BYTES)) {
		put_value(lines, "Pid:\t", pid, "");
		put_line(lines, text, "Name:");
		put_line(lines, text, "VmSwap:");
		put_swap_share(lines, directory, text);
		if (read_text(directory, "stat", text, STATUS_BYTES))
			put_start_time(lines, text);
		if (read_text(directory, "cgroup", text, STATUS_BYTES))
			put_cgroup(lines, text);
		put(lines, "\n");
	}
	close(directory);
}

void list_processes(const struct options *options)
{
	char path[PATH_BYTES], *text = malloc(STATUS_BYTES);
	struct lines lines = { 0 };
	struct dirent *entry;
	DIR *proc;

	if (!text || !join_path(path, options->root, "proc"))
		die("out of memory", "", "");
	proc = opendir(path);
	if (!proc) {
		output_error("processes", errno, path, NULL);
		free(text);
		return;
	}
	lines.fd = output_begin("processes");
	while ((entry = readdir(proc)) && lines.total < MAX_LIST_BYTES)
		if (entry->d_name[strspn(entry->d_name, "0123456789")] == 0)
			put_process(&lines, dirfd(proc), entry->d_name, text);
	closedir(proc);
	put_flush(&lines);
	output_end(lines.fd, true);
	free(text);
}

static void put_cgroup_line(struct lines *lines, int directory, const char *path)
{
	struct stat status;
	char text[32];

	if (fstat(directory, &status) < 0)
		return;
	put_number(lines, status.st_ino);
	put(lines, " ");
	/* The root has no such file, and without swap accounting no cgroup has. */
	if (read_text(directory, "memory.swap.current", text, sizeof(text)))
		put_bytes(lines, text, strcspn(text, "\n"));
	else
		put(lines, "-");
	put(lines, " ");
	put(lines, path);
	put(lines, "\n");
}

/* `path`: of the cgroup; its children are appended to it, and removed again. */
static void walk_cgroups(struct lines *lines, int directory, char *path, int depth)
{
	size_t length = strlen(path);
	DIR *stream;
	struct dirent *entry;

	put_cgroup_line(lines, directory, length ? path : "/");
	stream = depth < MAX_DEPTH ? fdopendir(directory) : NULL;
	if (!stream) {
		close(directory);
		return;
	}
	while ((entry = readdir(stream)) && lines->total < MAX_LIST_BYTES) {
		int below;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0 || !join_path(path, path, entry->d_name))
			continue;
		below = openat(directory, entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			walk_cgroups(lines, below, path, depth + 1);
		path[length] = 0;
	}
	closedir(stream);
}

void list_cgroups(const struct options *options)
{
	char path[PATH_BYTES], cgroup[PATH_BYTES] = "";
	struct lines lines = { 0 };
	int directory = -1;

	errno = ENOENT;
	if (find_cgroups(options, path))
		directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		output_error("cgroups", errno, NULL, "no cgroup2 file system");
		return;
	}
	lines.fd = output_begin("cgroups");
	walk_cgroups(&lines, directory, cgroup, 0);
	put_flush(&lines);
	output_end(lines.fd, true);
}
