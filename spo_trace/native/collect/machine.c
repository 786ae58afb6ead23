// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where file systems are mounted (/proc/self/mountinfo), as machine/facts.py finds them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect.h"

#define DEBUGFS "sys/kernel/debug"

/* Fields of a line before the separator: the mounted directory, and where it is mounted. */
#define MOUNTED_FIELD 3
#define POINT_FIELD 4

/* Space, tab, newline and backslash are escaped as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to = (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = 0;
}

/* Cut a line into its fields; NULL if it is not a mount of all of a file system of this kind. */
static char *mount_point(char *line, const char *kind)
{
	char *separator = strstr(line, " - "), *field[POINT_FIELD + 2], *rest = line;
	size_t length = strlen(kind);

	if (!separator || strncmp(separator + 3, kind, length) != 0 || separator[3 + length] != ' ')
		return NULL;
	for (int i = 0; i < POINT_FIELD + 2; i++)
		field[i] = strtok_r(rest, " ", &rest);
	if (!field[POINT_FIELD + 1] || strcmp(field[MOUNTED_FIELD], "/") != 0)
		return NULL;
	unescape(field[POINT_FIELD]);
	return field[POINT_FIELD];
}

static char *read_mounts(const struct options *options)
{
	char path[PATH_BYTES], *text = malloc(MAX_MOUNTINFO_BYTES + 1);
	size_t size = 0;
	ssize_t got = 0;
	int fd;

	if (!text || !join_path(path, options->root, "proc/self/mountinfo"))
		die("out of memory", "", "");
	fd = open_regular(path);
	if (fd >= 0) {
		do {
			size += got;
			got = read(fd, text + size, MAX_MOUNTINFO_BYTES - size);
		} while (got > 0);
		close(fd);
	}
	text[size] = 0;
	return text;
}

/* The first mount of a kind below which the file `name` exists. */
static bool find_mount(const struct options *options, const char *kind, const char *name,
		       char *path)
{
	char *text = read_mounts(options), *rest = text, *line, below[PATH_BYTES];
	struct stat status;
	bool found = false;

	while (!found && (line = strtok_r(rest, "\n", &rest))) {
		const char *point = mount_point(line, kind);

		found = point && join_path(path, options->root, point + strspn(point, "/")) &&
			join_path(below, path, name) && stat(below, &status) == 0;
	}
	free(text);
	return found;
}

void find_debugfs(const struct options *options, char *path)
{
	char below[PATH_BYTES];
	struct stat status;

	if (!join_path(path, options->root, DEBUGFS))
		die(options->root, ": the name is too long", "");
	if (join_path(below, path, "page_owner") && stat(below, &status) == 0)
		return;
	if (!find_mount(options, "debugfs", "page_owner", path))
		join_path(path, options->root, DEBUGFS);
}

bool find_cgroups(const struct options *options, char *path)
{
	return find_mount(options, "cgroup2", "cgroup.procs", path);
}
