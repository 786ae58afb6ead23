/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spo-collect: copy what spo-trace reads of a running kernel into a capture, and take as little
 * memory and time as possible meanwhile. The package spo_trace.collector does the same in Python.
 */
#ifndef SPO_COLLECT_H
#define SPO_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* c8f61cfc871f, 5.0: a read of page_owner returns at most PAGE_SIZE, which is up to 64 KiB. */
#define LONGEST_RECORD (1 << 16)

/* As in limits.py, which gives the reasons. */
#define MAX_STACKS (1 << 17)
#define MAX_STACKS_FILE_BYTES (128 << 20)
#define MAX_ZONEINFO_BYTES (16 << 20)
#define MAX_PROC_FILE_BYTES (1 << 20)
#define MAX_ONE_LINE_BYTES (64 << 10)
#define MAX_LIST_BYTES (64 << 20)
#define MAX_FRAME_BYTES 1000
#define MAX_MOUNTINFO_BYTES (1 << 20)

/* PATH_MAX; <limits.h> has it on Linux alone, and a longer path cannot be opened. */
#define PATH_BYTES 4096

/* What is to be read, and where. */
struct options {
	const char *root;
	const char *target;
	const char *plan;
	int readers;
	int timeout_ms;
	int progress;
	long last_pfn;
	int messages;
	char **command;
};

/* message.c */
void warn(const char *first, const char *second, const char *third);
_Noreturn void die(const char *first, const char *second, const char *third);
const char *errno_name(int number);

/* Lines that are collected before they are written. */
struct lines {
	int fd;
	size_t used;
	uint64_t total;
	char text[4096];
};

void put_bytes(struct lines *lines, const void *bytes, size_t size);
void put(struct lines *lines, const char *text);
void put_number(struct lines *lines, uint64_t number);
void put_flush(struct lines *lines);
bool write_all(int fd, const void *bytes, size_t size);
bool join_path(char *path, const char *directory, const char *name);

/* progress.c: what is read, when, and by which processes */
struct reading {
	const char *name;
	int64_t began_ms;
};

void progress_open(const struct options *options);
struct reading progress_begin(const char *name);
void progress_at(const char *name, int64_t position);
void progress_end(const struct reading *reading, uint64_t repeated);
void progress_child(pid_t pid);
void progress_write(void);

/* owner.c: the user who called sudo */
struct owner {
	bool is_given;
	uid_t uid;
	gid_t gid;
};

struct owner owner_in(int directory, const char *target);
void owner_give(struct owner *owner, int fd);

/* output.c: the capture, a directory or an archive on standard output */
void output_open(const char *target);
int output_begin(const char *name);
void output_end(int fd, bool kept);
void output_error(const char *name, int number, const char *path, const char *why);
void output_text(const char *name, const char *text);
void output_commit(void);
void output_discard(void);

/* The size of a random name, with its end. */
#define TEMPORARY_BYTES (sizeof(".spo-trace-.tmp") + 16)

void random_name(char *name);

/* tar.c: the archive */
int tar_file(void);
void tar_member(const char *name, int fd);
void tar_end(void);

/* gzip.c: large files, compressed while they are written */
struct archive_file {
	int fd;
	int into;
	pid_t child;
	off_t synced;
};

struct packer;

typedef void (*pack_sink)(void *context, const void *bytes, size_t size);

const char *gzip_suffix(void);
void gzip_begin(struct archive_file *file, const char *name);
void plain_begin(struct archive_file *file, const char *name);
void gzip_write(void *file, const void *bytes, size_t size); /* a pack_sink */
void gzip_end(struct archive_file *file, bool kept);
struct packer *packer_new(void);
void packer_begin(struct packer *packer, pack_sink sink, void *context);
void packer_add(struct packer *packer, const void *bytes, size_t size);
void packer_end(struct packer *packer);
void packer_free(struct packer *packer);

/* stacks.c: handles in place of stacks */
enum record_kind { PAGE_RECORD, SWAP_RECORD };

void stacks_open(void);
size_t stacks_replace(enum record_kind kind, uint8_t *record, size_t size);
bool prints_handle(const uint8_t *record, size_t size);
bool record_number(enum record_kind kind, const uint8_t *record, size_t size, int64_t *number);
void stacks_write(void);

/* records.c: page_owner and swap_page_owner */
enum handles_of { HANDLES_OF_COLLECTOR, HANDLES_OF_KERNEL };

bool records_copy(const struct options *options, enum record_kind kind, const char *path,
		  enum handles_of *handles);

/* memory.c: page_owner and swap_page_owner out of kernel memory */
bool memory_copy(const struct options *options);

/* memory_lack.c: reads that fail with ENOMEM */
struct lack {
	int64_t known;
	int64_t left_us;
	uint64_t too_large;
	uint64_t repeated;
	bool has_waited;
};

enum lack_found { LACK_PASSED, LACK_SKIPPED, LACK_LASTS };

enum lack_found lack_pass(struct lack *lack, int fd, uint8_t *room, int64_t *position, int64_t end);

/* then.c */
void collect_in_child(const struct options *options);

/* small_files.c */
int open_regular(const char *path);
void copy_file(const struct options *options, const char *name, const char *path);
void copy_stacks(const struct options *options, const char *name, const char *debugfs);

/* system_facts.c */
void system_facts(const struct options *options);

/* numbers.c */
void copy_numbers(const struct options *options, const char *name, const char *path);

/* machine.c */
void find_debugfs(const struct options *options, char *path);
bool find_cgroups(const struct options *options, char *path);

/* lists.c */
void list_processes(const struct options *options);
void list_cgroups(const struct options *options);

#endif
