/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * swap_owner.c for clang and libbpf
 *
 * It needs neither the kernel's headers nor those of libbpf: types, numbers and sections are part
 * of the kernel's and libbpf's interfaces, and never change. One object serves all kernels of an
 * architecture: the loader sets the sizes of maps, and loads only the programs that it attaches.
 */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define NULL ((void *)0)
#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))

char gpl[] SEC("license") = "GPL";

struct bpf_raw_tracepoint_args {
	u64 args[2];
};

/* enum bpf_func_id */
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value,
				   u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_get_current_comm)(void *to, u32 size) = (void *)16;
static long (*bpf_get_stackid)(void *ctx, void *map, u64 flags) = (void *)27;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_loop)(u32 nr, void *function, void *context, u64 flags) = (void *)181;

enum { BPF_ANY, BPF_NOEXIST };

#define BPF_F_NO_PREALLOC 1

/* enum bpf_map_type */
enum { HASH = 1, ARRAY = 2, PERCPU_ARRAY = 6, STACK_TRACE = 7, LRU_HASH = 9 };

/* libbpf reads the numbers from the lengths of arrays in the types of the members. */
#define MAP(map_type, map_key, map_value, name, size, flags) \
	struct { \
		int (*type)[map_type]; \
		map_key *key; \
		map_value *value; \
		int (*max_entries)[size]; \
		int (*map_flags)[flags]; \
	} name SEC(".maps")

/* The loader sets the real sizes. */
#define MAX_ENTRIES 1
#define MAX_RESTORED 1

/* e6f2dd0f8067, 5.17: bpf_loop(). The verifier checks its function once, not for each page. */
#define FOR_PAGE static __attribute__((noinline))
#define FOR_EACH_PAGE(nr, function, context) \
	bpf_loop((nr) < MAX_PAGES ? (nr) : MAX_PAGES, function, context, 0)

/* The words of struct pt_regs that hold the first three arguments. */
#if defined(TARGET_x86_64)
enum { FIRST_REGISTER = 14, SECOND_REGISTER = 13, THIRD_REGISTER = 12 };
#elif defined(TARGET_aarch64)
enum { FIRST_REGISTER, SECOND_REGISTER, THIRD_REGISTER };
#else
#error "x86_64 and aarch64 are supported"
#endif

/*
 * With fentry, arguments are read as numbers, too: the verifier treats them as pointers and allows
 * no arithmetic on them.
 */
#define FIRST (is_fentry ? read_u64((u64)&ctx[0]) : ctx[FIRST_REGISTER])
#define SECOND (is_fentry ? read_u64((u64)&ctx[1]) : ctx[SECOND_REGISTER])
#define THIRD (is_fentry ? read_u64((u64)&ctx[2]) : ctx[THIRD_REGISTER])

/* A program for each way to attach it. */
#define PROGRAM(name, body) \
	SEC("fentry") int fentry_##name(u64 *ctx) { enum { is_fentry = 1 }; return body; } \
	SEC("kprobe") int kprobe_##name(u64 *ctx) { enum { is_fentry = 0 }; return body; }
