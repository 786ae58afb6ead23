// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files that are copied as they are. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect.h"

/* More descriptors than this program, and what starts it, have open. */
#define USUAL_FDS 1024

/* The exit status of a child that cannot report its error. */
#define CHILD_FAILED 255

static const struct {
	const char *name;
	size_t most;
} limits[] = {
	{ "zoneinfo", MAX_ZONEINFO_BYTES },
	{ "allocinfo", MAX_LIST_BYTES },
	{ "modules", MAX_LIST_BYTES },
	{ "slabinfo", MAX_LIST_BYTES },
	{ "cmdline", MAX_ONE_LINE_BYTES },
	{ "uptime", MAX_ONE_LINE_BYTES },
	{ "uptime-after", MAX_ONE_LINE_BYTES },
	{ "boot_id", MAX_ONE_LINE_BYTES },
	{ "uname", MAX_ONE_LINE_BYTES },
	{ "date", MAX_ONE_LINE_BYTES },
	{ "pagesize", MAX_ONE_LINE_BYTES },
	{ "block_size_bytes", MAX_ONE_LINE_BYTES },
	{ "version", MAX_ONE_LINE_BYTES },
};

static size_t limit_of(const char *name)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		if (strcmp(limits[i].name, name) == 0)
			return limits[i].most;
	return MAX_PROC_FILE_BYTES;
}

/* In a copied tree, a FIFO or a device may have the name of a file. */
int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	errno = EIO;
	return -1;
}

static void copy(const char *name, const char *path)
{
	int fd = open_regular(path), error = errno;
	struct lines lines = { 0 };
	size_t most = limit_of(name);
	char part[4096];
	ssize_t got;

	if (fd < 0) {
		output_error(name, error, path, NULL);
		return;
	}
	lines.fd = output_begin(name);
	do {
		got = read(fd, part, sizeof(part));
		error = errno;
		if (got > 0)
			put_bytes(&lines, part, got);
	} while ((got > 0 && lines.total <= most) || (got < 0 && error == EINTR));
	close(fd);
	put_flush(&lines);
	output_end(lines.fd, got >= 0 || lines.total);
	if (got < 0)
		output_error(name, error, path, NULL);
	else if (got)
		output_error(name, EFBIG, path, NULL);
}

/* `path`: below the root directory */
void copy_file(const struct options *options, const char *name, const char *path)
{
	char whole[PATH_BYTES];

	if (!join_path(whole, options->root, path))
		die(options->root, ": the name is too long", "");
	copy(name, whole);
}

/* 278a5fbaed89, 5.9: close_range(2). */
static void close_others(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0)
		return;
#endif
	for (int fd = STDERR_FILENO + 1; fd < USUAL_FDS; fd++)
		close(fd);
}

/* It may never end, so it shares nothing with this process but the pipe. */
static _Noreturn void child(const char *path, int into, pid_t parent)
{
	int null = open("/dev/null", O_RDWR), fd;
	char part[4096];
	ssize_t got;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setsid();
	/* An interrupt ends this process alone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CHILD_FAILED);
	dup2(null, STDIN_FILENO);
	dup2(into, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close_others();
	if (chdir("/") < 0)
		_exit(CHILD_FAILED);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		_exit(errno);
	for (;;) {
		got = read(fd, part, sizeof(part));
		if (got == 0)
			_exit(0);
		if (got < 0 && errno != EINTR)
			_exit(errno);
		if (got > 0 && !write_all(STDOUT_FILENO, part, got))
			_exit(CHILD_FAILED);
	}
}

/* Whether data, or its end, arrives in time. */
static bool has_data(int fd, int timeout_ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int found;

	do
		found = poll(&ready, 1, timeout_ms);
	while (found < 0 && errno == EINTR);
	return found > 0;
}

/* Copy what the child reads; `error`: 0, or why not all could be read. */
static void copy_from_child(struct archive_file *file, int from, pid_t pid, int timeout_ms,
			    int *error)
{
	struct packer *packer = packer_new();
	char part[4096];
	uint64_t total = 0;
	ssize_t got = 0;
	int status;

	*error = 0;
	packer_begin(packer, gzip_write, file);
	do {
		if (!has_data(from, timeout_ms)) {
			*error = ETIMEDOUT;
			break;
		}
		got = read(from, part, sizeof(part));
		if (got > 0)
			packer_add(packer, part, got);
		total += got > 0 ? got : 0;
		if (total > MAX_STACKS_FILE_BYTES)
			*error = EFBIG;
	} while (!*error && (got > 0 || (got < 0 && errno == EINTR)));
	packer_end(packer);
	packer_free(packer);
	close(from);
	if (*error) {
		/* It is not waited for: on some kernels, it is stuck forever. */
		kill(pid, SIGKILL);
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*error = WIFEXITED(status) && WEXITSTATUS(status) != CHILD_FAILED ? WEXITSTATUS(status) :
									    EIO;
}

/*
 * Copy a file of page_owner_stacks. On some kernels (reported for 6.17 with 64K pages), a read(2)
 * of it never returns and ignores signals: a child reads it.
 */
void copy_stacks(const struct options *options, const char *name, const char *debugfs)
{
	static bool is_stuck;
	char path[PATH_BYTES], below[64] = "page_owner_stacks/";
	struct reading reading;
	struct archive_file file;
	struct stat status;
	int ends[2], error;
	pid_t parent = getpid(), pid;

	memcpy(below + strlen(below), name, strlen(name) + 1);
	if (!join_path(path, debugfs, below))
		die(debugfs, ": the name is too long", "");
	if (stat(path, &status) < 0) {
		output_error(name, errno, path, NULL);
		return;
	}
	if (is_stuck) {
		output_error(name, ETIMEDOUT, NULL,
			     "an earlier reader of page_owner_stacks is stuck in the kernel");
		return;
	}
	reading = progress_begin(name);
	gzip_begin(&file, name);
	if (pipe2(ends, O_CLOEXEC) < 0)
		die("no pipe: ", strerror(errno), "");
	pid = fork();
	if (pid < 0)
		die("no process: ", strerror(errno), "");
	if (pid == 0)
		child(path, ends[1], parent);
	progress_child(pid);
	close(ends[1]);
	copy_from_child(&file, ends[0], pid, options->timeout_ms, &error);
	gzip_end(&file, !error);
	is_stuck |= error == ETIMEDOUT;
	if (error == ETIMEDOUT)
		output_error(name, error, NULL, "reading it returned no data and was abandoned");
	else if (error)
		output_error(name, error, path, NULL);
	progress_end(&reading, 0);
}
