// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The capture: a directory, which gets its name when it is complete, or a tar archive on standard
 * output. The files of an archive are kept in unnamed files until their size is known.
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
#include <time.h>
#include <unistd.h>

#include "collect.h"

/* More than a capture has, each with its .err. */
#define MAX_NAMES 96
#define NAME_BYTES 64
#define BLOCK 512
#define RECORD (20 * BLOCK)

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
	uint64_t written;
	int count;
	char names[MAX_NAMES][NAME_BYTES];
} out = { .parent = -1, .directory = -1 };

static void random_name(char *name)
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

static int unnamed_file(void)
{
	static const char *const usual[] = { "/var/tmp", "/tmp" };
	const char *chosen = getenv("TMPDIR");
	char name[NAME_BYTES], path[PATH_BYTES];
	int fd = -1;

	for (int i = chosen ? -1 : 0; fd < 0 && i < 2; i++) {
		const char *directory = i < 0 ? chosen : usual[i];

		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			break;
		random_name(name);
		if (!join_path(path, directory, name))
			continue;
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		die("no temporary file: ", strerror(errno), "; name a directory in TMPDIR");
	return fd;
}

int output_begin(const char *name)
{
	int fd;

	if (out.count == MAX_NAMES || strlen(name) >= NAME_BYTES)
		die(name, ": too many files", "");
	memcpy(out.names[out.count], name, strlen(name) + 1);
	if (!out.target) {
		out.count++;
		return unnamed_file();
	}
	fd = openat(out.directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		die(name, " cannot be written: ", strerror(errno));
	out.count++;
	return fd;
}

static void to_stdout(const void *bytes, size_t size)
{
	if (!write_all(STDOUT_FILENO, bytes, size))
		die("the archive cannot be written: ", strerror(errno), "");
	out.written += size;
}

/* Octal digits; a size of 8 GiB or more is written in binary, as GNU tar does. */
static void tar_number(char *field, size_t width, uint64_t number)
{
	if (number >> (3 * (width - 1))) {
		for (size_t i = width; i-- > 0; number >>= 8)
			field[i] = (char)number;
		field[0] = (char)0x80;
		return;
	}
	field[width - 1] = 0;
	for (size_t i = width - 1; i-- > 0; number >>= 3)
		field[i] = '0' + (number & 7);
}

static void tar_header(const char *name, uint64_t size)
{
	char header[BLOCK] = "spo-trace-capture/";
	unsigned int sum = 8 * ' ';

	memcpy(header + strlen(header), name, strlen(name));
	tar_number(header + 100, 8, 0600);
	tar_number(header + 108, 8, 0);
	tar_number(header + 116, 8, 0);
	tar_number(header + 124, 12, size);
	tar_number(header + 136, 12, time(NULL));
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (uint8_t)header[i];
	tar_number(header + 148, 7, sum);
	header[155] = ' ';
	to_stdout(header, BLOCK);
}

static void add_member(const char *name, int fd)
{
	static char buffer[16 * BLOCK];
	uint64_t left = lseek(fd, 0, SEEK_END);
	size_t padding = -left % BLOCK;

	tar_header(name, left);
	lseek(fd, 0, SEEK_SET);
	while (left) {
		ssize_t got = read(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die(name, ": a temporary file cannot be read: ", strerror(errno));
		to_stdout(buffer, got);
		left -= got;
	}
	memset(buffer, 0, padding);
	to_stdout(buffer, padding);
}

/* Files are completed in the order in which they are begun. */
void output_end(int fd, bool kept)
{
	const char *name = out.names[out.count - 1];

	if (!out.target && kept)
		add_member(name, fd);
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
		/* Two blocks of zeros are the end; more fill the record. */
		static const char end[2 * BLOCK + RECORD];

		to_stdout(end, RECORD - (out.written + 2 * BLOCK) % RECORD + 2 * BLOCK);
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
