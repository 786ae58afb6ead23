// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel memory through a BPF program of seven instructions, which copies a range into a map that
 * is mapped here. spo_trace/memory/bpf.py does the same; its numbers are those of linux/bpf.h,
 * which an older system lacks.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"

#define MAP_CREATE 0
#define PROG_LOAD 5
#define PROG_TEST_RUN 10
#define MAP_TYPE_ARRAY 2
#define F_MMAPABLE (1 << 10)
#define PROG_TYPE_SYSCALL 31
#define F_SLEEPABLE (1 << 4)
#define PROBE_READ_KERNEL 113

/* A power of two, so that a mask bounds the size for the verifier. One run copies half of it. */
#define WINDOW (512 << 10)
#define STEP (WINDOW / 2)

/* The smallest page: what can be read begins and ends at its multiples. */
#define FAULT_BYTES 4096

struct instruction {
	uint8_t code;
	uint8_t registers;
	int16_t offset;
	int32_t value;
};

static struct {
	int program;
	const uint8_t *window;
} bpf;

static long call(int command, void *attributes, size_t size)
{
#ifdef SYS_bpf
	return syscall(SYS_bpf, command, attributes, size);
#else
	errno = EPERM;
	return -1;
#endif
}

static int create_map(void)
{
	struct {
		uint32_t type, key_bytes, value_bytes, entries, flags;
	} attributes = { MAP_TYPE_ARRAY, sizeof(uint32_t), WINDOW, 1, F_MMAPABLE };

	return call(MAP_CREATE, &attributes, sizeof(attributes));
}

static int load_program(int map)
{
	static const char license[] = "GPL";
	const struct instruction program[] = {
		{ 0x79, 0x13, 0, 0 }, /* r3 = context.address */
		{ 0x79, 0x12, 8, 0 }, /* r2 = context.size */
		{ 0x57, 0x02, 0, WINDOW - 1 }, /* r2 &= WINDOW - 1 */
		{ 0x18, 0x21, 0, map }, /* r1 = the map's value, in two instructions */
		{ 0x00, 0x00, 0, 0 },
		{ 0x85, 0x00, 0, PROBE_READ_KERNEL }, /* r0 = bpf_probe_read_kernel(r1, r2, r3) */
		{ 0x95, 0x00, 0, 0 }, /* return r0 */
	};
	struct {
		uint32_t type, count;
		uint64_t instructions, license;
		uint32_t log_level, log_bytes;
		uint64_t log;
		uint32_t kernel_version, flags;
	} attributes = {
		.type = PROG_TYPE_SYSCALL,
		.count = sizeof(program) / sizeof(*program),
		.instructions = (uintptr_t)program,
		.license = (uintptr_t)license,
		.flags = F_SLEEPABLE,
	};

	return call(PROG_LOAD, &attributes, sizeof(attributes));
}

bool bpf_open(void)
{
	int map = create_map();
	const void *window = MAP_FAILED;

	bpf.program = map < 0 ? -1 : load_program(map);
	if (bpf.program >= 0)
		window = mmap(NULL, WINDOW, PROT_READ, MAP_SHARED, map, 0);
	if (window == MAP_FAILED)
		output_error("page_owner", errno, NULL, "the kernel refuses a BPF program");
	bpf.window = window;
	return window != MAP_FAILED;
}

static bool copy(uint64_t address, void *to, size_t size)
{
	uint64_t context[2] = { address, size };
	struct {
		uint32_t program, result, input_bytes, output_bytes;
		uint64_t input, output;
		uint32_t repeat, duration, context_bytes, context_out_bytes;
		uint64_t context, context_out;
	} attributes = {
		.program = bpf.program,
		.context_bytes = sizeof(context),
		.context = (uintptr_t)context,
	};

	if (call(PROG_TEST_RUN, &attributes, sizeof(attributes)) < 0 || attributes.result)
		return false;
	memcpy(to, bpf.window, size);
	return true;
}

/* A fault anywhere in a range fails the whole: try its halves, down to single pages. */
static size_t read_some(uint64_t address, uint8_t *to, size_t size)
{
	uint64_t end = address + size, middle;
	size_t half;

	if (copy(address, to, size))
		return 0;
	if (address / FAULT_BYTES == (end - 1) / FAULT_BYTES) {
		memset(to, 0, size);
		return size;
	}
	middle = (address + size / 2) / FAULT_BYTES * FAULT_BYTES;
	if (middle <= address)
		middle = (address / FAULT_BYTES + 1) * FAULT_BYTES;
	half = middle - address;
	return read_some(address, to, half) + read_some(middle, to + half, size - half);
}

size_t bpf_read(uint64_t address, void *to, size_t size)
{
	size_t lost = 0;

	for (size_t at = 0, step; at < size; at += step) {
		step = size - at < STEP ? size - at : STEP;
		lost += read_some(address + at, (uint8_t *)to + at, step);
	}
	return lost;
}
