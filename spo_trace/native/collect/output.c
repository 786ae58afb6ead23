// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The capture: a directory, which gets its name when it is complete, or a tar archive on standard
 * output (tar.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collect.h"

/* More than a capture has, each with its .err. */
#define MAX_NAMES 96
#define NAME_BYTES 64

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static struct {
	const char *target;
	const char *final;
	char parent_path[PATH_BYTES];
	char temporary[NAME_BYTES];
	int parent;
	int directory;
	struct owner owner;
	int count;
	char names[MAX_NAMES][NAME_BYTES];
} out = { .parent = -1, .directory = -1 };

/* `name`: of TEMPORARY_BYTES. */
void random_name(char *name)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t bytes[16];
	size_t at = sizeof(".spo-trace-") - 1;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		die("no random numbers: ", strerror(errno), "");
	memcpy(name, ".spo-trace-", at);
	for (size_t i = 0; i < sizeof(bytes); i++)
		name[at++] = letters[bytes[i] % 32];
	memcpy(name + at, ".tmp", 5);
}

/* Called by signal handlers: only system calls. */
void output_discard(void)
{
	if (out.directory < 0)
		return;
	for (int i = 0; i < out.count; i++)
		unlinkat(out.directory, out.names[i], 0);
	unlinkat(out.parent, out.temporary, AT_REMOVEDIR);
}

static void interrupted(int number)
{
	output_discard();
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct sigaction old, new = { .sa_handler = interrupted };

		sigaction(numbers[i], NULL, &old);
		/* nohup ignores SIGHUP, and a shell SIGINT of what it runs in the background. */
		if (old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &new, NULL);
	}
}

static bool is_empty(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	int count = 0;

	if (!stream)
		return false;
	while (readdir(stream))
		count++;
	closedir(stream);
	return count == 2;
}

/* A user who may write to the parent can put another directory there, even one of ours. */
static bool is_ours(void)
{
	struct stat status;

	return fstat(out.directory, &status) == 0 && status.st_uid == geteuid() &&
	       !(status.st_mode & 077) && is_empty(out.directory);
}

static void split_target(const char *target)
{
	size_t length = strlen(target);
	const char *slash;

	while (length > 1 && target[length - 1] == '/')
		length--;
	if (length >= PATH_BYTES)
		die(target, ": the name is too long", "");
	memcpy(out.parent_path, target, length);
	slash = strrchr(out.parent_path, '/');
	out.final = slash ? target + (slash - out.parent_path) + 1 : target;
	if (slash)
		out.parent_path[slash == out.parent_path ? 1 : slash - out.parent_path] = 0;
	else
		memcpy(out.parent_path, ".", 2);
}

static void open_directory(void)
{
	static char final[PATH_BYTES];
	struct stat status;
	size_t length;

	split_target(out.target);
	length = strcspn(out.final, "/");
	memcpy(final, out.final, length);
	out.final = final;
	if (!length || strcmp(final, ".") == 0 || strcmp(final, "..") == 0)
		die(out.target, " is not the name of a new directory", "");
	out.parent = open(out.parent_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out.parent < 0)
		die(out.parent_path, ": ", strerror(errno));
	if (fstatat(out.parent, final, &status, AT_SYMLINK_NOFOLLOW) == 0)
		die(out.target, " exists already", "");
	random_name(out.temporary);
	if (mkdirat(out.parent, out.temporary, 0700) < 0)
		die(out.target, " cannot be written: ", strerror(errno));
	out.directory = openat(out.parent, out.temporary,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out.directory < 0 || !is_ours())
		die(out.target, " was replaced while it was being created", "");
	out.owner = owner_in(out.parent, out.target);
}

void output_open(const char *target)
{
	out.target = target;
	if (target) {
		open_directory();
		catch_signals();
	} else if (isatty(STDOUT_FILENO)) {
		die("an archive is not written to a terminal; name a directory, or a pipe", "", "");
	}
}

int output_begin(const char *name)
{
	int fd;

	if (out.count == MAX_NAMES || strlen(name) >= NAME_BYTES)
		die(name, ": too many files", "");
	memcpy(out.names[out.count], name, strlen(name) + 1);
	if (!out.target) {
		out.count++;
		return tar_file();
	}
	fd = openat(out.directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		die(name, " cannot be written: ", strerror(errno));
	out.count++;
	return fd;
}

/* Files are completed in the order in which they are begun. */
void output_end(int fd, bool kept)
{
	const char *name = out.names[out.count - 1];

	if (!out.target && kept)
		tar_member(name, fd);
	if (out.target && kept)
		owner_give(&out.owner, fd);
	if (out.target && !kept)
		unlinkat(out.directory, name, 0);
	out.count -= !kept;
	close(fd);
}

void output_text(const char *name, const char *text)
{
	struct lines lines = { .fd = output_begin(name) };

	put(&lines, text);
	put_flush(&lines);
	output_end(lines.fd, true);
}

void output_error(const char *name, int number, const char *path, const char *why)
{
	char error_name[NAME_BYTES];
	struct lines lines = { 0 };

	if (strlen(name) + sizeof(".err") > sizeof(error_name))
		die(name, ": too long a name", "");
	memcpy(error_name, name, strlen(name));
	memcpy(error_name + strlen(name), ".err", sizeof(".err"));
	lines.fd = output_begin(error_name);
	put(&lines, errno_name(number));
	put(&lines, ": ");
	if (path) {
		put(&lines, path);
		put(&lines, ": ");
	}
	put(&lines, why ? why : strerror(number));
	put(&lines, "\n");
	put_flush(&lines);
	output_end(lines.fd, true);
}

/* NFS and 9p have no RENAME_NOREPLACE, and kernels before 3.15 no renameat2(2). */
static int rename_new(void)
{
	struct stat status;

	if (syscall(SYS_renameat2, out.parent, out.temporary, out.parent, out.final,
		    RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return -1;
	if (fstatat(out.parent, out.final, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(out.parent, out.temporary, out.parent, out.final);
}

void output_commit(void)
{
	struct stat named, opened;

	if (!out.target) {
		tar_end();
		return;
	}
	if (fstatat(out.parent, out.temporary, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstat(out.directory, &opened) < 0 || named.st_ino != opened.st_ino ||
	    named.st_dev != opened.st_dev)
		die(out.target, " was replaced by another program while it was being written", "");
	owner_give(&out.owner, out.directory);
	if (rename_new() < 0)
		die(out.target, " cannot be written: ", strerror(errno));
	out.directory = -1;
}
