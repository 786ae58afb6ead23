// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files of numbers, 8 bytes for each page frame: large, and compressed while they are read. */
#include <errno.h>
#include <unistd.h>

#include "collect.h"

/* Copy all of a file into the capture; return why not all could be read, or 0. */
static int copy_packed(const char *name, int fd)
{
	struct packer *packer = packer_new();
	struct archive_file file;
	bool kept = false;
	char part[4096];
	ssize_t got;
	int error;

	gzip_begin(&file, name);
	packer_begin(packer, gzip_write, &file);
	do {
		got = read(fd, part, sizeof(part));
		error = errno;
		if (got > 0)
			packer_add(packer, part, got);
		kept |= got > 0;
	} while (got > 0 || (got < 0 && error == EINTR));
	packer_end(packer);
	packer_free(packer);
	gzip_end(&file, got == 0 || kept);
	return got < 0 ? error : 0;
}

/* `path`: below the root directory */
void copy_numbers(const struct options *options, const char *name, const char *path)
{
	struct reading reading;
	char whole[PATH_BYTES];
	int fd, error;

	if (!join_path(whole, options->root, path))
		die(options->root, ": the name is too long", "");
	fd = open_regular(whole);
	if (fd < 0) {
		output_error(name, errno, whole, NULL);
		return;
	}
	reading = progress_begin(name);
	error = copy_packed(name, fd);
	close(fd);
	if (error)
		output_error(name, error, whole, NULL);
	progress_end(&reading, 0);
}
